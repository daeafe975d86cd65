"""Shows that an exported proof is proof by itself (C2SP tlog-proof).

    tlog_proof.py VKEY PROOF LEAF [--change PART]

The file must be of the form `c2sp.org/tlog-proof@v1`, its checkpoint signed by the log's key,
and its hashes must lead from the leaf's bytes to the signed root. `--change` spoils one part
first: it must then be refused.
"""

import argparse
import base64
import hashlib
import sys

import receipts
from receipts import Refused

HEADER = "c2sp.org/tlog-proof@v1"
PARTS = ["header", "index", "leaf", "proof", "root"]


def parse(text):
    """Index, hashes and checkpoint of a proof; its unauthenticated extra data is passed over."""
    head, blank, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if not blank or lines.pop(0) != HEADER:
        raise Refused("not a tlog-proof")
    if lines and lines[0].startswith("extra "):
        lines.pop(0)
    if not lines or not lines[0].startswith("index "):
        raise Refused("there is no index")
    digits = lines.pop(0).removeprefix("index ")
    if not digits.isascii() or not digits.isdigit() or str(int(digits)) != digits:
        raise Refused("the index is not a plain number")
    return int(digits), [base64.b64decode(line, validate=True) for line in lines], checkpoint


def verify(text, leaf, vkey):
    """Refuses a proof that does not lead from the leaf to the signed root."""
    index, hashes, checkpoint = parse(text)
    size, root = receipts.signed_tree(checkpoint, vkey)
    leaf_hash = hashlib.sha256(b"\0" + leaf).digest()
    if receipts.root_of(index, size, leaf_hash, hashes) != root:
        raise Refused("the proof leads to another root")
    return index, size


def change(text, leaf, part):
    """Spoils one part."""
    lines = text.split("\n")
    blank = lines.index("")
    flip = lambda line: base64.b64encode(bytes(b ^ 1 for b in base64.b64decode(line))).decode()
    if part == "header":
        lines[0] = lines[0].replace("@v1", "@v2")
    elif part == "index":
        lines[1] = f"index {int(lines[1].removeprefix('index ')) ^ 1}"
    elif part == "leaf":
        leaf = leaf[:-1] + b" "
    elif part == "proof":
        lines[blank - 1] = flip(lines[blank - 1])
    else:
        lines[blank + 3] = flip(lines[blank + 3])
    return "\n".join(lines), leaf


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("vkey")
    parser.add_argument("proof")
    parser.add_argument("leaf")
    parser.add_argument("--change", choices=PARTS)
    options = parser.parse_args()
    with open(options.vkey) as file:
        vkey = file.read()
    with open(options.proof, encoding="utf-8", newline="") as file:
        text = file.read()
    with open(options.leaf, "rb") as file:
        leaf = file.read()
    if options.change:
        text, leaf = change(text, leaf, options.change)
    try:
        index, size = verify(text, leaf, vkey)
    except Refused as refused:
        sys.exit(f"refused {options.proof}: {refused}")
    print(f"entry {index} stands in the signed tree of {size}")


if __name__ == "__main__":
    main()
