"""Shows that a receipt is proof by itself.

    receipts.py VKEY RECEIPT... [--tiles TILES] [--change PART]

The checkpoint's Ed25519 signature (C2SP signed-note) must verify under the log's verifier key
and the inclusion proof (RFC 9162 section 2.1.3.2) must lead to the checkpoint's root; with
`--tiles`, the published entry must have the hash that the receipt carries. `--change` spoils
one part of each receipt first: it must then be refused.
"""

import argparse
import base64
import hashlib
import json
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

import leaf

PARTS = ["leaf", "leaf_hash", "leaf_index", "proof", "root", "signature"]


class Refused(Exception):
    """The receipt proves nothing; the message says why."""


def as_json(receipt):
    """A receipt from the wire, as `tallygate push --receipts` writes it."""
    text = lambda data: base64.b64encode(data).decode()
    return {
        "leaf_index": receipt.leaf_index,
        "leaf_hash": text(receipt.leaf_hash),
        "checkpoint": receipt.checkpoint,
        "proof": [text(each) for each in receipt.inclusion_proof],
        "leaf": receipt.leaf.decode(),
    }


def signed_tree(checkpoint, vkey):
    """Size and root that a checkpoint states, once its signature holds."""
    name, key_id, key = vkey.strip().split("+", 2)
    kind_and_key = base64.b64decode(key)
    expected = hashlib.sha256(f"{name}\n".encode() + kind_and_key).digest()[:4]
    if kind_and_key[0] != 1 or expected.hex() != key_id:
        raise Refused("the verifier key does not match its own id")
    body, signatures = checkpoint.split("\n\n", 1)
    for line in signatures.splitlines():
        dash, signer, value = line.split(" ")
        value = base64.b64decode(value)
        if (dash, signer, value[:4]) == ("\u2014", name, expected):
            try:
                public = Ed25519PublicKey.from_public_bytes(kind_and_key[1:])
                public.verify(value[4:], f"{body}\n".encode())
            except InvalidSignature:
                raise Refused("the checkpoint's signature does not verify") from None
            origin, size, root = body.split("\n")[:3]
            if origin != name:
                raise Refused("the checkpoint is another log's")
            return int(size), base64.b64decode(root)
    raise Refused("the log's key has not signed the checkpoint")


def root_of(index, size, leaf_hash, proof):
    """The root that an inclusion proof leads to (RFC 9162 section 2.1.3.2)."""
    if index >= size:
        raise Refused("the entry lies beyond the tree")
    node = lambda left, right: hashlib.sha256(b"\1" + left + right).digest()
    at, last, result = index, size - 1, leaf_hash
    for step in proof:
        if last == 0:
            raise Refused("the proof is too long")
        if at % 2 == 1 or at == last:
            result = node(step, result)
            while at % 2 == 0 and at != 0:
                at, last = at >> 1, last >> 1
        else:
            result = node(result, step)
        at, last = at >> 1, last >> 1
    if last != 0:
        raise Refused("the proof is too short")
    return result


def verify(receipt, vkey):
    """Refuses a receipt that does not prove its entry to be in the signed tree."""
    size, root = signed_tree(receipt["checkpoint"], vkey)
    leaf_hash = base64.b64decode(receipt["leaf_hash"])
    if hashlib.sha256(b"\0" + receipt["leaf"].encode()).digest() != leaf_hash:
        raise Refused("it is the receipt of another entry than it says")
    proof = [base64.b64decode(each) for each in receipt["proof"]]
    if root_of(receipt["leaf_index"], size, leaf_hash, proof) != root:
        raise Refused("the proof leads to another root")


def change(receipt, part):
    """Spoils one part of a receipt."""
    flip = lambda text: base64.b64encode(bytes(b ^ 1 for b in base64.b64decode(text))).decode()
    lines = receipt["checkpoint"].split("\n")
    if part == "leaf":
        receipt["leaf"] = receipt["leaf"].replace("granted", "grantee")
    elif part == "leaf_hash":
        receipt["leaf_hash"] = flip(receipt["leaf_hash"])
    elif part == "leaf_index":
        receipt["leaf_index"] ^= 1
    elif part == "proof":
        receipt["proof"][-1] = flip(receipt["proof"][-1])
    elif part == "root":
        lines[2] = flip(lines[2])
    else:
        start, value = lines[4].rsplit(" ", 1)
        value = base64.b64decode(value)
        value = value[:-1] + bytes([value[-1] ^ 1])
        lines[4] = f"{start} {base64.b64encode(value).decode()}"
    receipt["checkpoint"] = "\n".join(lines)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("vkey")
    parser.add_argument("receipts", nargs="+")
    parser.add_argument("--tiles")
    parser.add_argument("--change", choices=PARTS)
    options = parser.parse_args()
    with open(options.vkey) as file:
        vkey = file.read()
    for path in options.receipts:
        with open(path) as file:
            receipt = json.load(file)
        if options.change:
            change(receipt, options.change)
        try:
            verify(receipt, vkey)
            if options.tiles:
                entry = leaf.entry(options.tiles, receipt["leaf_index"])
                published = hashlib.sha256(b"\0" + entry).digest()
                if published != base64.b64decode(receipt["leaf_hash"]):
                    raise Refused("the published entry is another one")
                print(entry.decode())
        except Refused as refused:
            sys.exit(f"refused {path}: {refused}")


if __name__ == "__main__":
    main()
