"""Shows a trap: jwcrypto is content with any one good signature: jws_any.py DOCUMENT JWKS OUT.

Spoils the last signature, writes the document to OUT, and verifies it as the library's
documentation has it: with one key after the other. It is accepted; our program must refuse OUT.
"""

import json
import sys

from jwcrypto.jwk import JWKSet
from jwcrypto.jws import JWS, InvalidJWSSignature

document, keys, out = sys.argv[1:]
with open(document) as file:
    value = json.load(file)
with open(keys) as file:
    keys = JWKSet.from_json(file.read())
last = value["signatures"][-1]["signature"]
value["signatures"][-1]["signature"] = ("B" if last[0] != "B" else "C") + last[1:]
with open(out, "w") as file:
    json.dump(value, file)
accepted = 0
for key in keys:
    made = JWS()
    made.allowed_algs = ["Ed25519"]
    made.deserialize(json.dumps(value))
    try:
        made.verify(key)
        accepted += 1
    except InvalidJWSSignature:
        pass
assert accepted, "the library refused it: then it is no trap any more"
print(f"accepted with {accepted} keys, one signature spoiled")
