"""Pushes invented births as the health partner: push.py PROFILE RECEIPTS [--again].

Shows that a partner can write its own connector: a stream is opened, a batch of three good rows
and a bad one is acknowledged with a receipt, the bad row is told by place, field and rule and
never by value, and with `--again` the good rows count as sent before. Each receipt is kept as
a file of the folder RECEIPTS, for receipts.py.
"""

import datetime
import json
import pathlib
import sys

from gateway import Gateway
from receipts import as_json

# Made-up people: NHS numbers that begin with 999 are never issued.
NHS_NUMBERS = ["9990000018", "9990000026", "9990000034"]
WRONG_CHECK_DIGIT = "9990000019"

profile, folder = sys.argv[1:3]
again = "--again" in sys.argv
gateway = Gateway(profile)
today = datetime.datetime.now(datetime.timezone.utc).date()
born, extracted = str(today - datetime.timedelta(14)), str(today - datetime.timedelta(1))


def row(place, number):
    """One record, by its columns."""
    return {
        "record_id": f"FOREIGN-{place}",
        "operation": "upsert",
        "extracted_at": extracted,
        "event_date": born,
        "nhs_number": number,
        "date_of_birth": born,
        "plurality": "1",
        "birth_order": "1",
    }


rows = [row(place, number) for place, number in enumerate([*NHS_NUMBERS, WRONG_CHECK_DIGIT])]
request, answer = gateway.message("PushRequest"), gateway.message("PushResponse")
opening = request(
    open={
        "protocol_id": "isp-health",
        "record_type": "live_birth",
        "purpose": "childrens_centre_planning",
        "columns": list(rows[0]),
        "extract_day": extracted,
    }
)
batch = request(batch={"sequence": 1, "rows": [{"values": list(row.values())} for row in rows]})
opened, acknowledged, closed = gateway.call("IntakeService/Push", [opening, batch])

taken = acknowledged.acknowledgement
assert opened.opened.protocol_version == 1 and taken.sequence == 1
assert taken.well_formed == 3, taken.well_formed
assert taken.sent_before == (3 if again else 0), f"{taken.sent_before} sent before"
(rejected,) = taken.rejections
assert (rejected.row, rejected.field, rejected.rule) == (3, "nhs_number", "nhs-check-digit")
assert WRONG_CHECK_DIGIT not in str([opened, acknowledged, closed]), "the value was told"
assert closed.closed.batches == 1 and closed.closed.rejected == 1

for name in ("opened", "acknowledgement", "closed"):
    message = next(m for m in (opened, acknowledged, closed) if m.HasField(name))
    receipt = as_json(getattr(message, name).receipt)
    (pathlib.Path(folder) / f"{'again' if again else 'first'}-{name}.json").write_text(json.dumps(receipt))
