"""Verifies each signature of a General JWS with jwcrypto: jws_each.py [--tamper] DOCUMENT JWKS.

The library is content with any one good signature, so each is verified by itself, with the key
that its kid names; `--tamper` spoils the last one, which must then be refused.
"""

import json
import sys

from jwcrypto.common import base64url_decode
from jwcrypto.jwk import JWKSet
from jwcrypto.jws import JWS

document, keys = sys.argv[-2:]
with open(document) as file:
    value = json.load(file)
with open(keys) as file:
    keys = JWKSet.from_json(file.read())
signatures = value["signatures"]
assert signatures, "nobody has signed"
if sys.argv[1] == "--tamper":
    last = signatures[-1]["signature"]
    signatures[-1]["signature"] = ("B" if last[0] != "B" else "C") + last[1:]
for signature in signatures:
    kid = json.loads(base64url_decode(signature["protected"]))["kid"]
    one = JWS()
    one.allowed_algs = ["Ed25519"]
    one.deserialize(json.dumps({"payload": value["payload"], **signature}))
    one.verify(keys.get_key(kid))
