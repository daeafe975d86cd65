"""Asks for health and reflection: services.py PROFILE (health | v1 | v1alpha) [--no-certificate].

Shows that stock tools find their way: the standard health service answers SERVING, and either
version of reflection lists every service that the protos declare, and no other of ours. No
token is needed for either, a client certificate is.
"""

import pathlib
import re
import sys

from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from gateway import DEADLINE_SECONDS, Gateway

profile, asked = sys.argv[1:3]
channel = Gateway(profile, certificate="--no-certificate" not in sys.argv).channel
if asked == "health":
    health = health_pb2_grpc.HealthStub(channel)
    answer = health.Check(health_pb2.HealthCheckRequest(), timeout=DEADLINE_SECONDS)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING, answer.status
else:
    # The two versions differ in their package's name alone.
    reflect = channel.stream_stream(
        f"/grpc.reflection.{asked}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    request = reflection_pb2.ServerReflectionRequest(list_services="*")
    (answer,) = reflect(iter([request]), timeout=DEADLINE_SECONDS)
    listed = {each.name for each in answer.list_services_response.service}
    protos = pathlib.Path("proto/tallygate/v1").glob("*.proto")
    declared = {
        f"tallygate.v1.{name}"
        for proto in protos
        for name in re.findall(r"^service (\w+)", proto.read_text(), re.MULTILINE)
    }
    assert declared and {name for name in listed if "tallygate" in name} == declared, listed
