"""Lets the log grow: grow.py PROFILE CALLS KEPT.

An auditor asks for the checkpoint, several calls at a time: each is one more entry. Half-way
the answer's receipt is kept as KEPT/receipt.json, and its checkpoint as KEPT/checkpoint: what an
auditor holds from before.
"""

import concurrent.futures
import json
import pathlib
import sys

from gateway import Gateway
from receipts import as_json

AT_A_TIME = 8

profile, calls, kept = sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3])
gateway = Gateway(profile)
request = gateway.message("GetCheckpointRequest")


def ask(_):
    return gateway.call("AccessLogService/GetCheckpoint", request()).receipt


with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
    receipts = list(pool.map(ask, range(calls // 2)))
    last = max(receipts, key=lambda receipt: receipt.leaf_index)
    kept.mkdir(parents=True, exist_ok=True)
    (kept / "receipt.json").write_text(json.dumps(as_json(last)))
    (kept / "checkpoint").write_text(last.checkpoint)
    list(pool.map(ask, range(calls - calls // 2)))
