"""Asks for what must be refused: refused.py DEMO CASE.

Shows that a refusal can be read by anyone's client: the status, the reason and domain of its
ErrorInfo, the field violations of its BadRequest, and a receipt that proves by itself that the
refusal is in the access log. Ends well only when the refusal is exactly the expected one.
"""

import pathlib
import sys

import grpc
from gateway import Gateway
from receipts import as_json, verify

demo, case = pathlib.Path(sys.argv[1]), sys.argv[2]
COLUMNS = [
    *("record_id", "operation", "extracted_at", "event_date"),
    *("nhs_number", "date_of_birth", "plurality", "birth_order"),
]


def card(gateway, area="CC01"):
    asked = gateway.message("GetCardRequest")
    return "FigureService/GetCard", asked(area=area, purposes=["childrens_centre_planning"])


def opening(gateway):
    opened = {
        "protocol_id": "isp-health",
        "record_type": "live_birth",
        "purpose": "childrens_centre_planning",
        "columns": COLUMNS,
        "extract_day": "yesterday",
    }
    return "IntakeService/Push", [gateway.message("PushRequest")(open=opened)]


def of_another(gateway):
    return gateway.token(bound_to=(demo / "certificates/health.pem").read_bytes())


denied, invalid, unknown = (
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.UNAUTHENTICATED,
)
ours, manager = Gateway.token, "manager-CC01"
# Whose profile, what is asked, with which token; status, reason and field violations.
CASES = {
    "another-area": (manager, lambda g: card(g, "CC02"), ours, denied, "AREA_NOT_COVERED", []),
    "card-for-a-provider": ("health", card, ours, denied, "WRONG_ROLE", []),
    "malformed-day": (
        *("health", opening, ours, invalid, "INVALID_ARGUMENT"),
        [("extract_day", "a date is written year-month-day, like 2026-03-31")],
    ),
    "no-token": (manager, card, lambda _: "", unknown, "TOKEN_MISSING", []),
    "expired-token": (
        *(manager, card, lambda g: g.token(age_seconds=400), unknown, "TOKEN_EXPIRED", []),
    ),
    "token-of-another-certificate": (
        *(manager, card, of_another, unknown, "TOKEN_BOUND_TO_ANOTHER_CERTIFICATE", []),
    ),
}

profile, ask, token, *expected = CASES[case]
gateway = Gateway(demo / f"profiles/{profile}.toml")
try:
    gateway.call(*ask(gateway), token=token(gateway))
    sys.exit("it was answered")
except grpc.RpcError as error:
    info, fields, receipt = gateway.refusal(error)
    assert [error.code(), info.reason, fields] == expected, (error.code(), info.reason, fields)
    assert info.domain == "tallygate", info.domain
    verify(as_json(receipt), (demo / "log.vkey").read_text())
