"""Signs a document as a General JWS, beside the signatures there: jws_sign.py LIBRARY FILE KEY PARTY ROLE OUT.

LIBRARY is joserfc or jwcrypto, KEY an Ed25519 private key (PKCS#8 PEM). FILE is a draft, whose bytes
are made canonical (RFC 8785: our documents hold only text, whole numbers and truth values, so sorted
keys without spaces are that form), or a signed copy. What comes out, our program must verify.
"""

import base64
import hashlib
import json
import sys
import time

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

TYPES = {
    "adheres_to": "tallygate-adherence+json",
    "controllers": "tallygate-root-policy+json",
    "revokes": "tallygate-revocation+json",
}

library, file, key_file, party, role, out = sys.argv[1:]


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


with open(file, "rb") as opened:
    value = json.load(opened)
if "payload" not in value:
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    value = {"payload": encode(canonical.encode()), "signatures": []}
payload = decode(value["payload"])
document = json.loads(payload)
with open(key_file, "rb") as opened:
    pem = opened.read()
x = encode(load_pem_private_key(pem, None).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
thumbprint = json.dumps({"crv": "Ed25519", "kty": "OKP", "x": x}, separators=(",", ":"))
header = {
    "alg": "Ed25519",
    "typ": next((typ for member, typ in TYPES.items() if member in document), "tallygate-protocol+json"),
    "kid": encode(hashlib.sha256(thumbprint.encode()).digest()),
    "party": party,
    "role": role,
    "iat": int(time.time()),
}
if library == "joserfc":
    from joserfc import jws
    from joserfc.jwk import OKPKey

    registry = jws.JWSRegistry(algorithms=["Ed25519"], strict_check_header=False)
    signed = jws.serialize_json(
        [{"protected": header}], payload, OKPKey.import_key(pem), registry=registry
    )
    signature = signed["signatures"][0]
else:
    from jwcrypto.jwk import JWK
    from jwcrypto.jws import JWS

    made = JWS(payload)
    made.allowed_algs = ["Ed25519"]
    made.add_signature(JWK.from_pem(pem), None, json.dumps(header), None)
    signature = json.loads(made.serialize())
assert decode(signature["protected"]), "the header is protected"
value["signatures"].append({member: signature[member] for member in ("protected", "signature")})
with open(out, "w") as opened:
    json.dump(value, opened)
