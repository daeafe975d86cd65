"""Shows tampered copies of a log to every verifier: tampered.py PROGRAM SUMDB DEMO KEPT COPIES.

PROGRAM is tallygate itself, SUMDB the program made of sumdb.go, KEPT the folder of what an
auditor holds from before, COPIES what tamper.py made. Prints a table of verifier by tampering.
An honest log must be accepted by all. Each tampering must be refused by our own verifier and by
every foreign one that looks at what was tampered with; what one can't see by its nature is
listed with the reason, and must be accepted by it, so that this list is true as well.
"""

import contextlib
import io
import json
import pathlib
import subprocess
import sys

import aics_tlog
import pymerkle
from aics_tlog.cli import main as aics_main

HONEST = ["honest", "cosigned"]
ROOTS = "pymerkle computes roots from entries; it knows no keys, no names and no hash tiles"
BLIND = {
    ("pymerkle", name): ROOTS
    for name in [
        "flipped-byte-of-a-hash",
        "flipped-byte-of-the-signature",
        "signed-by-another-key",
        "signed-by-another-key-as-the-log",
        "wrong-origin",
        "wrong-origin-under-the-log's-name",
        "swapped-tiles",
        "cosignature-forged",
        "cosignature-of-another-checkpoint",
    ]
}


class Refused(Exception):
    """A verifier's verdict; the message is its reason."""


def tallygate(program, demo, kept, copies):
    """Our own verifier, with a receipt from before."""

    def verify(name):
        command = [program, "audit", "verify", copies / name, "--vkey-file", demo / "log.vkey"]
        command += ["--receipts", kept, "--format", "csv"]
        if name.startswith("cosign"):
            command += ["--witness-vkey-file", copies / "witness.vkey"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode in (0, 1), done.stderr
        if done.returncode == 1:
            raise Refused(done.stdout.split("\n")[1])

    return verify


def sumdb(program, demo, kept, copies):
    """Go's sumdb packages: one run for all copies."""
    folders = sorted(each for each in copies.iterdir() if each.is_dir())
    command = [program, demo / "log.vkey", copies / "witness.vkey", kept / "checkpoint", *folders]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    verdicts = {}
    for line in done.stdout.splitlines():
        name, verdict, reason = line.split("\t")
        verdicts[name] = (verdict, reason)

    def verify(name):
        verdict, reason = verdicts[name]
        if verdict != "accepted":
            raise Refused(reason)

    return verify


def aics(demo, kept, copies):
    """aics-tlog: its commands for checkpoint and consistency, and its audit of every tile."""
    witness = (copies / "witness.vkey").read_text().strip()

    def command(*arguments):
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            code = aics_main([str(argument) for argument in arguments])
        report = json.loads(said.getvalue())
        if code != 0:
            raise Refused(report["error"])

    def verify(name):
        folder = copies / name
        given = ["--tiles", folder, "--vkey-file", demo / "log.vkey"]
        quorum = ["--witness-key", witness, "--quorum", "1"] if name.startswith("cosign") else []
        command("verify-checkpoint", *given, *quorum)
        command("verify-consistency", *given, *quorum, "--old-checkpoint", kept / "checkpoint")
        text = (folder / "checkpoint").read_text().split("\n\n")[0] + "\n"
        signed = aics_tlog.parse_checkpoint(text)
        reader = aics_tlog.FileSystemTileReader(folder)
        try:
            aics_tlog.audit_tiles(reader, signed.size, signed.root)
        except (aics_tlog.TileMissingError, aics_tlog.TileVerificationError) as error:
            raise Refused(str(error)) from None

    return verify


def stated(path):
    """Size and root of a checkpoint, whoever signed it."""
    _, size, root = path.read_text().split("\n")[:3]
    return int(size), aics_tlog.note.b64_decode(root)


def roots(kept, copies):
    """pymerkle as an oracle of roots: of all entries, and of those there were before."""
    before = stated(kept / "checkpoint")

    def entries(folder, size):
        for first in range(0, size, 256):
            width = min(256, size - first)
            path = folder / "tile" / "entries" / f"{first // 256:03}"
            if width < 256:
                path = path.with_suffix(".p") / str(width)
            data = path.read_bytes() if path.exists() else b""
            for _ in range(width):
                end = 2 + int.from_bytes(data[:2], "big")
                if not data or end > len(data):
                    raise Refused("an entry is missing")
                yield data[2:end]
                data = data[end:]

    def verify(name):
        tree, now = pymerkle.InmemoryTree(algorithm="sha256"), stated(copies / name / "checkpoint")
        for entry in entries(copies / name, now[0]):
            tree.append_entry(entry)
        if now[0] < before[0]:
            raise Refused("fewer entries than before")
        for size, root in (before, now):
            if tree.get_root(size) != root:
                raise Refused(f"another root of {size} entries")

    return verify


def shown(verifier, name, verify):
    """A cell of the table, and whether it is as it must be."""
    try:
        verify(name)
        reason = None
    except Refused as refused:
        reason = str(refused)
    if name in HONEST:
        return ("accepted" if reason is None else "REFUSED"), reason is None, reason
    if (verifier, name) in BLIND:
        return ("(blind)" if reason is None else "REFUSED"), reason is None, reason
    return ("refused" if reason is not None else "ACCEPTED"), reason is not None, reason


def main():
    program, sumdb_program = sys.argv[1:3]
    demo, kept, copies = map(pathlib.Path, sys.argv[3:6])
    verifiers = {
        "tallygate": tallygate(program, demo, kept, copies),
        "aics-tlog": aics(demo, kept, copies),
        "Go sumdb": sumdb(sumdb_program, demo, kept, copies),
        "pymerkle": roots(kept, copies),
    }
    names = sorted(each.name for each in copies.iterdir() if each.is_dir())
    names = HONEST + [name for name in names if name not in HONEST]
    wrong, reasons = [], []
    print(f"      {'':36}" + "".join(f"{verifier:12}" for verifier in verifiers))
    for name in names:
        cells, good = [], True
        for verifier, verify in verifiers.items():
            cell, right, reason = shown(verifier, name, verify)
            cells.append(f"{cell:12}")
            good = good and right
            reasons.append(f"{name}, {verifier}: {reason}")
        print(f"{'ok   ' if good else 'FAIL '} {name:36}" + "".join(cells).rstrip())
        if not good:
            wrong.append(name)
    assert len(names) - len(HONEST) >= 12
    for reason in sorted(set(BLIND.values())):
        print(f"(blind): {reason}")
    if wrong:
        print(*reasons, sep="\n")
        sys.exit("not as it must be: " + ", ".join(wrong))


if __name__ == "__main__":
    main()
