"""Verifies a General JWS with every signature: jws.py [--tamper] DOCUMENT JWKS."""

import json
import sys

from joserfc import jws
from joserfc.jwk import KeySet

tamper = sys.argv[1] == "--tamper"
document, keys = sys.argv[-2:]
with open(document) as file:
    value = json.load(file)
with open(keys) as file:
    plain = [{k: key[k] for k in ("kty", "crv", "x", "kid")} for key in json.load(file)["keys"]]
if tamper:
    # The last signature alone: "any one signature suffices" would not notice.
    signature = value["signatures"][-1]["signature"]
    value["signatures"][-1]["signature"] = ("B" if signature[0] != "B" else "C") + signature[1:]
registry = jws.JWSRegistry(
    algorithms=["Ed25519", "EdDSA"],
    header_registry=dict.fromkeys(("party", "role", "iat"), jws.HeaderParameter("ours", "any"))
    if hasattr(jws, "HeaderParameter")
    else None,
    strict_check_header=False,
)
jws.deserialize_json(value, KeySet.import_key_set({"keys": plain}), registry=registry)
