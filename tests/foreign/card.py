"""Prints an area's card as its manager sees it: card.py PROFILE AREA RECEIPT.

Shows that a figure can be read by anyone's client, with a token of the caller's own making;
asking again gives the same figures under another receipt. The receipt is kept for receipts.py.
"""

import json
import pathlib
import sys

from gateway import Gateway
from receipts import as_json

profile, area, kept = sys.argv[1:]
gateway = Gateway(profile)
asked = gateway.message("GetCardRequest")(
    area=area, purposes=["childrens_centre_planning", "early_education_take_up"]
)
card, repeated = (gateway.call("FigureService/GetCard", asked) for _ in range(2))
assert card.area == area and card.lines, "no card"
assert card.receipt.leaf_index < repeated.receipt.leaf_index, "the second look left no entry"
pathlib.Path(kept).write_text(json.dumps(as_json(card.receipt)))
for answer in (card, repeated):
    answer.ClearField("receipt")
assert card == repeated, "the same question had another answer"
print(card.release_digest.hex())
for line in card.lines:
    for figure in [line.figure, *line.trend, *line.parts]:
        shown = (figure.indicator, figure.quarter, figure.part, figure.value, figure.margin)
        print(*shown, sep="|")
