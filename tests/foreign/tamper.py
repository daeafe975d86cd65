"""Makes tampered copies of a log: tamper.py DEMO KEPT OUT.

DEMO is the demo's folder, KEPT a checkpoint that an auditor holds from before, at least half a
bundle behind. OUT gets a folder for each way of tampering, `honest` and `cosigned` for
comparison, and `witness.vkey`. Written from the standards alone (C2SP tlog-tiles, signed-note,
tlog-cosignature, RFC 6962); an operator who lies has the log's key, so some of the copies are
signed with it.
"""

import base64
import hashlib
import pathlib
import shutil
import struct
import sys
import time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

WIDTH = 256


def b64(data):
    return base64.b64encode(data).decode()


def leaf_hash(entry):
    return hashlib.sha256(b"\0" + entry).digest()


def root(hashes):
    """The tree's root hash (RFC 6962 section 2.1)."""
    if len(hashes) < 2:
        return hashes[0] if hashes else hashlib.sha256(b"").digest()
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + root(hashes[:split]) + root(hashes[split:])).digest()


def path(row, index, width):
    """A tile's path (C2SP tlog-tiles); logs of less than a thousand tiles are tampered with."""
    assert index < 1000
    return f"tile/{row}/{index:03}" + ("" if width == WIDTH else f".p/{width}")


def bundle(entries):
    return b"".join(struct.pack(">H", len(entry)) + entry for entry in entries)


def files(entries):
    """Every file of the log but its checkpoint."""
    made, level = {}, 0
    for first in range(0, len(entries), WIDTH):
        part = entries[first : first + WIDTH]
        made[path("entries", first // WIDTH, len(part))] = bundle(part)
    hashes = [leaf_hash(entry) for entry in entries]
    while hashes:
        parts = [hashes[first : first + WIDTH] for first in range(0, len(hashes), WIDTH)]
        for index, part in enumerate(parts):
            made[path(level, index, len(part))] = b"".join(part)
        hashes, level = [root(part) for part in parts if len(part) == WIDTH], level + 1
    return made


class Key:
    """A key that signs checkpoints (type 01) or cosigns them (type 04)."""

    def __init__(self, name, key, kind=1):
        self.name, self.key, self.kind = name, key, kind
        raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.public = bytes([kind]) + raw
        self.id = hashlib.sha256(f"{name}\n".encode() + self.public).digest()[:4]

    def vkey(self):
        return f"{self.name}+{self.id.hex()}+{b64(self.public)}\n"

    def line(self, body):
        signature = self.key.sign(body.encode())
        if self.kind == 4:
            now = int(time.time())
            signature = self.key.sign(f"cosignature/v1\ntime {now}\n{body}".encode())
            signature = struct.pack(">Q", now) + signature
        return f"\u2014 {self.name} {b64(self.id + signature)}\n"


class Log:
    """The honest log, and copies of it."""

    def __init__(self, demo, kept):
        self.demo, self.tiles = demo, demo / "tiles"
        self.note = (self.tiles / "checkpoint").read_text()
        self.body = self.note.split("\n\n")[0] + "\n"
        name, size, _ = self.body.split("\n")[:3]
        self.key = Key(name, load_pem_private_key((demo / "keys/log.pem").read_bytes(), None))
        assert self.key.vkey().strip() == (demo / "log.vkey").read_text().strip()
        self.kept_size = int(kept.split("\n")[1])
        self.entries = []
        for first in range(0, int(size), WIDTH):
            width = min(WIDTH, int(size) - first)
            data = (self.tiles / path("entries", first // WIDTH, width)).read_bytes()
            while data:
                end = 2 + int.from_bytes(data[:2], "big")
                self.entries.append(data[2:end])
                data = data[end:]
        assert len(self.entries) > self.kept_size + WIDTH // 2 > 2 * WIDTH
        # What is written here is what the gateway wrote.
        assert self.signed(self.entries) == self.copy()

    def copy(self):
        """The files as they are."""
        found = (each for each in self.tiles.rglob("*") if each.is_file())
        return {each.relative_to(self.tiles).as_posix(): each.read_bytes() for each in found}

    def signed(self, entries, key=None, origin=None):
        """A whole log of these entries, under a signature."""
        key = key or self.key
        hashes = [leaf_hash(entry) for entry in entries]
        body = f"{origin or key.name}\n{len(entries)}\n{b64(root(hashes))}\n"
        return self.under(entries, body + "\n" + key.line(body))

    def under(self, entries, note):
        """A whole log of these entries, under a note of whatever content."""
        return {**files(entries), "checkpoint": note.encode()}

    def altered(self, index):
        """The entries, one of them dated a moment earlier or later: as lawful as it was."""
        entry = bytearray(self.entries[index])
        last_digit = entry.index(b'Z"', entry.index(b'"at":"')) - 1
        entry[last_digit] ^= 1
        return [*self.entries[:index], bytes(entry), *self.entries[index + 1 :]]


def tamperings(log):
    """Every way, by name: what an auditor finds in the folder."""
    full, at, key = path("entries", 0, WIDTH), 300, log.key
    entries, kept = log.entries, log.kept_size

    def flipped(name, place):
        data = bytearray(log.copy()[name])
        data[place] ^= 1
        return {**log.copy(), name: bytes(data)}

    yield "flipped-byte-of-an-entry", flipped(full, len(log.copy()[full]) // 2)
    yield "flipped-byte-of-a-hash", flipped(path(0, 1, WIDTH), 77)
    yield "flipped-byte-of-the-signature", flipped("checkpoint", len(log.note.encode()) - 20)
    # What follows moves up, under the checkpoint as it was.
    yield "dropped-entry", log.under(entries[:at] + entries[at + 1 :], log.note)
    swapped = list(entries)
    swapped[at], swapped[at + 1] = swapped[at + 1], swapped[at]
    yield "reordered-entries", log.under(swapped, log.note)
    cut = log.copy()
    cut[full] = cut[full][: len(cut[full]) // 2]
    yield "truncated-bundle", cut
    # The operator's own hand: another history, whole and signed by the log's key.
    yield "forked", log.signed(log.altered(at))
    yield "rolled-back", log.signed(entries[: kept - 100])
    other = Key(key.name, Ed25519PrivateKey.generate())
    yield "signed-by-another-key", log.signed(entries, other)
    forged = other.line(log.body).split(" ")
    forged[2] = b64(key.id + base64.b64decode(forged[2])[4:]) + "\n"
    yield "signed-by-another-key-as-the-log", log.under(entries, f"{log.body}\n{' '.join(forged)}")
    elsewhere = Key("tallygate.example/elsewhere/2026", key.key)
    yield "wrong-origin", log.signed(entries, elsewhere)
    yield "wrong-origin-under-the-log's-name", log.signed(entries, origin=elsewhere.name)
    old = log.signed(entries[: kept - 100])["checkpoint"]
    yield "stale-checkpoint", {**log.copy(), "checkpoint": old}
    for row, name in ((0, "swapped-tiles"), ("entries", "swapped-bundles")):
        one, two, copied = path(row, 0, WIDTH), path(row, 1, WIDTH), log.copy()
        copied[one], copied[two] = copied[two], copied[one]
        yield name, copied
    # All hashes made anew: under the old root, and under a new one with the old signature.
    yield "altered-leaf-new-tree", log.under(log.altered(at), log.note)
    anew = log.signed(log.altered(at))["checkpoint"].decode().split("\n\n")[0] + "\n"
    yield "altered-leaf-new-tree-and-root", log.under(
        log.altered(at), f"{anew}\n{log.note.split(chr(10) * 2)[1]}"
    )


def main():
    demo, kept, out = map(pathlib.Path, sys.argv[1:])
    log = Log(demo, kept.read_text())
    witness = Key("witness.example/one", Ed25519PrivateKey.generate(), kind=4)
    impostor = Key(witness.name, Ed25519PrivateKey.generate(), kind=4)
    impostor.id = witness.id
    copies = dict(tamperings(log))
    copies["honest"] = log.copy()
    copies["cosigned"] = log.under(log.entries, log.note + witness.line(log.body))
    copies["cosignature-forged"] = log.under(log.entries, log.note + impostor.line(log.body))
    copies["cosignature-of-another-checkpoint"] = log.under(
        log.entries, log.note + witness.line(kept.read_text().split("\n\n")[0] + "\n")
    )
    shutil.rmtree(out, ignore_errors=True)
    for name, content in copies.items():
        for each, data in content.items():
            target = out / name / each
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
    (out / "witness.vkey").write_text(witness.vkey())


if __name__ == "__main__":
    main()
