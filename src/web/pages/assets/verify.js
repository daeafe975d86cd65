// Checks a log of C2SP tlog-tiles in a browser: the checkpoint's signature, the root over every
// published leaf hash, an earlier checkpoint, and one entry. It stands alone: it is given a way to
// read files and the log's key, and trusts nothing else. WebCrypto alone; no library.
"use strict";
const Tallygate = (() => {
  const WIDTH = 256;
  class Broken extends Error {}
  const fail = (why) => { throw new Broken(why); };
  const text = new TextDecoder("utf-8", { fatal: true });
  const bytesOf = (string) => new TextEncoder().encode(string);
  const fromBase64 = (string) => {
    try { return Uint8Array.from(atob(string), (c) => c.charCodeAt(0)); }
    catch { return fail("a part that should be base64 is not"); }
  };
  const toBase64 = (bytes) => btoa(String.fromCharCode(...bytes));
  const same = (a, b) => a.length === b.length && a.every((byte, at) => byte === b[at]);
  const joined = (...parts) => {
    const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) { all.set(part, at); at += part.length; }
    return all;
  };
  const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  // RFC 6962, section 2.1.
  const leafHash = (entry) => sha256(joined(Uint8Array.of(0), entry));
  const nodeHash = (left, right) => sha256(joined(Uint8Array.of(1), left, right));
  async function rootOf(hashes) {
    if (hashes.length === 0) return sha256(new Uint8Array());
    let level = hashes;
    // The left subtree is always the largest full one, so pairing neighbours and carrying an odd
    // last one up gives the same tree.
    while (level.length > 1) {
      const pairs = [];
      for (let at = 0; at + 1 < level.length; at += 2) pairs.push(nodeHash(level[at], level[at + 1]));
      const above = await Promise.all(pairs);
      if (level.length % 2 === 1) above.push(level[level.length - 1]);
      level = above;
    }
    return level[0];
  }

  // A verifier key as C2SP signed-note has it: name+hash+base64(1, public key).
  async function readKey(vkey) {
    const [name, id, ...rest] = vkey.trim().split("+");
    const key = fromBase64(rest.join("+"));
    if (!name || key.length !== 33 || key[0] !== 1) fail("the key is no Ed25519 verifier key");
    const hash = (await sha256(joined(bytesOf(name), Uint8Array.of(10), key))).slice(0, 4);
    const hex = [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    if (hex !== id) fail("the key's id does not belong to it: a typing error?");
    const ed25519 = { name: "Ed25519" };
    const verifier = await crypto.subtle.importKey("raw", key.slice(1), ed25519, false, ["verify"]);
    return { name, hash, verifier };
  }

  async function readCheckpoint(note, key) {
    const end = note.indexOf("\n\n");
    if (end < 0) fail("the checkpoint is no signed note");
    const signed = note.slice(0, end + 1);
    const [origin, size, root] = signed.split("\n");
    if (origin !== key.name) fail("the checkpoint is of another log: " + origin);
    if (!/^(0|[1-9][0-9]{0,14})$/.test(size)) fail("the checkpoint's size is no number");
    let found = false;
    for (const line of note.slice(end + 2).split("\n")) {
      const parts = line.split(" ");
      if (parts[0] !== "\u2014" || parts[1] !== key.name) continue;
      const signature = fromBase64(parts[2] || "");
      if (signature.length !== 68 || !same(signature.slice(0, 4), key.hash)) continue;
      found = await crypto.subtle.verify("Ed25519", key.verifier, signature.slice(4), bytesOf(signed));
      if (!found) fail("the checkpoint's signature is wrong: it was not signed by this log's key");
    }
    if (!found) fail("the checkpoint has no signature by this log's key");
    return { origin, size: Number(size), root: fromBase64(root) };
  }

  function tilePath(kind, index, width) {
    let number = String(index % 1000).padStart(3, "0");
    for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000)) {
      number = "x" + String(rest % 1000).padStart(3, "0") + "/" + number;
    }
    return "tile/" + kind + "/" + number + (width < WIDTH ? ".p/" + width : "");
  }

  async function leafHashes(read, size, tell) {
    const hashes = [];
    for (let index = 0; index * WIDTH < size; index += 1) {
      const width = Math.min(WIDTH, size - index * WIDTH);
      const path = tilePath("0", index, width);
      const tile = await read(path);
      if (tile.length !== width * 32) fail("the file " + path + " has the wrong length");
      for (let at = 0; at < width; at += 1) hashes.push(tile.slice(at * 32, at * 32 + 32));
      tell(hashes.length, size);
    }
    return hashes;
  }

  async function readEntry(read, size, index) {
    const bundle = Math.floor(index / WIDTH);
    const path = tilePath("entries", bundle, Math.min(WIDTH, size - bundle * WIDTH));
    const bytes = await read(path);
    let at = 0;
    for (let skip = index % WIDTH; ; skip -= 1) {
      if (at + 2 > bytes.length) fail("the file " + path + " is cut short");
      const length = bytes[at] * 256 + bytes[at + 1];
      if (at + 2 + length > bytes.length) fail("the file " + path + " is cut short");
      if (skip === 0) return bytes.slice(at + 2, at + 2 + length);
      at += 2 + length;
    }
  }

  // Checks everything that was asked for. `read` gives a file's bytes by its path; `earlier` is a
  // signed checkpoint, `known` a size and root that were found sound before.
  async function check({ read, vkey, earlier, known, entry, tell = () => {} }) {
    const key = await readKey(vkey);
    const note = text.decode(await read("checkpoint"));
    const now = await readCheckpoint(note, key);
    const hashes = await leafHashes(read, now.size, tell);
    const root = await rootOf(hashes);
    if (!same(root, now.root)) {
      fail("the published hashes do not give the signed root: the log was changed");
    }
    const said = ["Signed by the key, " + now.size + " entries, root recomputed from every leaf hash."];
    const before = [];
    if (earlier && earlier.trim()) {
      const old = await readCheckpoint(earlier.replace(/\r\n/g, "\n").trim() + "\n", key);
      before.push({ ...old, what: "the earlier checkpoint" });
    }
    if (known && known.origin === now.origin) {
      before.push({ size: known.size, root: fromBase64(known.root), what: "what was found here last time" });
    }
    for (const old of before) {
      if (old.size > now.size) fail("the log is shorter than " + old.what + ": entries were removed");
      if (!same(await rootOf(hashes.slice(0, old.size)), old.root)) {
        fail("the log is no continuation of " + old.what + ": its past was changed");
      }
      said.push("It only grew since " + old.what + " (" + old.size + " entries).");
    }
    let leaf = null;
    if (entry !== undefined && entry !== "") {
      const index = Number(entry);
      if (!Number.isInteger(index) || index < 0) fail("an entry is named by its number");
      if (index >= now.size) fail("entry " + index + " is not published yet: the log has " + now.size);
      const bytes = await readEntry(read, now.size, index);
      if (!same(await leafHash(bytes), hashes[index])) {
        fail("entry " + index + " is not what the log committed to: it was changed");
      }
      leaf = text.decode(bytes);
      said.push("Entry " + index + " is in the log, as it reads here:");
    }
    return { said, leaf, known: { origin: now.origin, size: now.size, root: toBase64(now.root) } };
  }

  function show(place, kind, sentences, leaf) {
    const box = document.createElement("div");
    box.className = kind;
    const heading = document.createElement("strong");
    heading.textContent = { sound: "Sound", broken: "FAILED", busy: "Checking" }[kind];
    box.append(heading);
    for (const sentence of sentences) {
      const line = document.createElement("p");
      line.textContent = sentence;
      box.append(line);
    }
    if (leaf) {
      const written = document.createElement("pre");
      written.textContent = leaf;
      box.append(written);
    }
    place.replaceChildren(box);
  }

  return { check, show, rootOf, leafHash, Broken };
})();
