"""A log of its own, submitted to our witness by aics-witness's client: what grows is cosigned,
and each kind of false submission gets the status of C2SP tlog-witness.

witness.py URL SITE CASE: SITE has the log's key (log.pem, log.vkey) and the witness's vkey.
The cases run in the order that `witness.sh` names them in, on the one state of the witness.
"""

import sys
import urllib.error
import urllib.request

from aics_tlog import Checkpoint, MerkleTree, sign_checkpoint
from aics_witness.feeder import WitnessClient
from aics_witness.protocol import format_add_checkpoint_request
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

url, site, case = sys.argv[1:]
ORIGIN = "foreign-log.example/2026"
with open(f"{site}/log.pem", "rb") as file:
    key = load_pem_private_key(file.read(), None)
with open(f"{site}/witness.vkey") as file:
    vkey = file.read().strip()


def tree(size, salt=""):
    return MerkleTree(f"entry {n}{salt if n > 2 else ''}".encode() for n in range(size))


def note(of, origin=ORIGIN, by=key):
    checkpoint = Checkpoint(origin=origin, size=of.size, root=of.root())
    return sign_checkpoint(checkpoint, by, origin).to_bytes()


def status(body):
    request = urllib.request.Request(f"{url}/add-checkpoint", data=body, method="POST")
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers["content-type"], answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["content-type"], error.read()


def expect(code, old, proof, signed):
    found = status(format_add_checkpoint_request(old, proof, signed))
    assert found[0] == code, found
    return found


if case == "grows":
    with WitnessClient(url, vkey) as client:
        for size in (1, 5, 5, 300, 700):
            grown = tree(size)
            # The client verifies the cosignature, its key and its time.
            lines = client.submit(note(grown), grown.consistency_proof)
            assert lines.startswith("\u2014 ours.example "), lines
    # A client that knows nothing finds out by the conflict.
    with WitnessClient(url, vkey) as client:
        grown = tree(701)
        client.submit(note(grown), grown.consistency_proof)
elif case == "garbage":
    for body in (b"", b"old 701\n\n", b"old 1\n\n\xff\n", b"x" * 1000, b"old 701\nAAAA\n\n" + note(tree(701))):
        assert status(body)[0] == 400, body
    assert status(b"x" * (1 << 20))[0] == 413
elif case == "forged":
    expect(403, 701, [], note(tree(702), by=Ed25519PrivateKey.generate()))
    expect(403, 701, [], note(tree(702)).replace(b"\n702\n", b"\n703\n"))
elif case == "unknown-log":
    expect(404, 0, [], note(tree(3), origin="another-log.example"))
elif case == "rolled-back":
    code, kind, body = expect(409, 0, [], note(tree(300)))
    assert (kind, body) == ("text/x.tlog.size", b"701\n"), (kind, body)
    expect(400, 701, [], note(tree(300)))
elif case == "forked":
    expect(409, 701, [], note(tree(701, "'")))
    fork = tree(900, "'")
    expect(422, 701, fork.consistency_proof(701), note(fork))
elif case == "false-proof":
    grown = tree(900)
    expect(422, 701, grown.consistency_proof(700), note(grown))
    expect(422, 701, [], note(grown))
    expect(200, 701, grown.consistency_proof(701), note(grown))
else:
    raise SystemExit(f"no such case: {case}")
