"""A caller of the gateway without a line of the project's own code; the scripts beside it share it.

It shows that the API stands on published standards alone: message classes are built from the
server's reflection, the connection is mutual TLS, and the token is made here, with the
partner's own key, as RFC 9068 (at+jwt) and RFC 8705 (cnf, x5t#S256) say.
"""

import base64
import hashlib
import pathlib
import secrets
import time
import tomllib

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from google.protobuf import descriptor_pool, message_factory
from google.rpc import error_details_pb2
from grpc_reflection.v1alpha import proto_reflection_descriptor_database as reflection
from grpc_status import rpc_status
from joserfc import jwt
from joserfc.jwk import OKPKey

DEADLINE_SECONDS = 20


class Gateway:
    """A connection as a profile names it, and calls on it."""

    def __init__(self, profile, certificate=True):
        self.folder = pathlib.Path(profile).parent
        self.profile = tomllib.loads(pathlib.Path(profile).read_text())
        chain = (self.read("key"), self.read("certificate")) if certificate else (None, None)
        self.channel = grpc.secure_channel(
            self.profile["server"],
            grpc.ssl_channel_credentials(self.read("ca"), *chain),
            [("grpc.ssl_target_name_override", self.profile["server_name"])],
        )
        database = reflection.ProtoReflectionDescriptorDatabase(self.channel)
        self.pool = descriptor_pool.DescriptorPool(database)

    def read(self, entry):
        return (self.folder / self.profile[entry]).read_bytes()

    def message(self, name):
        """The class of a message of ours."""
        found = self.pool.FindMessageTypeByName(f"tallygate.v1.{name}")
        return message_factory.GetMessageClass(found)

    def token(self, bound_to=None, age_seconds=0):
        """A token of our own making; `bound_to` is a PEM certificate, our own if not given."""
        certificate = x509.load_pem_x509_certificate(bound_to or self.read("certificate"))
        digest = hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()
        issued = int(time.time()) - age_seconds
        claims = {
            "iss": self.profile["partner"],
            "client_id": self.profile["partner"],
            "sub": self.profile["user"],
            "aud": self.profile["audience"],
            "iat": issued,
            "nbf": issued,
            "exp": issued + 300,
            "jti": secrets.token_urlsafe(16),
            "cnf": {"x5t#S256": base64.urlsafe_b64encode(digest).rstrip(b"=").decode()},
            "roles": self.profile["roles"],
        }
        if self.profile["areas"]:
            claims["areas"] = self.profile["areas"]
        header = {"alg": "Ed25519", "typ": "at+jwt", "kid": self.profile["token_kid"]}
        key = OKPKey.import_key(self.read("token_key"))
        return jwt.encode(header, claims, key, algorithms=["Ed25519"])

    def call(self, method, request, token=None):
        """One call, for example `FigureService/GetCard`; a list of requests is streamed and
        answered by a list. An empty token sends none."""
        service, name = method.split("/")
        found = self.pool.FindServiceByName(f"tallygate.v1.{service}").methods_by_name[name]
        streamed = isinstance(request, list)
        stub = (self.channel.stream_stream if streamed else self.channel.unary_unary)(
            f"/tallygate.v1.{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=message_factory.GetMessageClass(found.output_type).FromString,
        )
        token = self.token() if token is None else token
        answer = stub(
            iter(request) if streamed else request,
            timeout=DEADLINE_SECONDS,
            metadata=[("authorization", f"Bearer {token}")] if token else [],
        )
        return list(answer) if streamed else answer

    def refusal(self, error):
        """What a refused call carries: ErrorInfo, field violations as (field, rule), Receipt."""
        info, fields, receipt = error_details_pb2.ErrorInfo(), [], self.message("Receipt")()
        for detail in rpc_status.from_call(error).details:
            violations = error_details_pb2.BadRequest()
            if detail.Unpack(violations):
                fields = [(each.field, each.description) for each in violations.field_violations]
            elif not detail.Unpack(info):
                assert detail.Unpack(receipt), f"a detail that nobody knows: {detail.type_url}"
        return info, fields, receipt
