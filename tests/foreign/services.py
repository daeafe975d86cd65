"""Asks for health and reflection: services.py PROFILE (health | no-certificate | v1 | v1alpha).

Shows that stock tools find their way: the standard health service answers SERVING, and either
version of reflection lists every service that the protos declare, and no other of ours. No
token is needed for either; without a client certificate nothing is answered.
"""

import pathlib
import re
import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from gateway import DEADLINE_SECONDS, Gateway

profile, asked = sys.argv[1:]
channel = Gateway(profile).channel


def serving(channel):
    health = health_pb2_grpc.HealthStub(channel)
    answer = health.Check(health_pb2.HealthCheckRequest(), timeout=DEADLINE_SECONDS)
    return answer.status == health_pb2.HealthCheckResponse.SERVING


if asked == "health":
    assert serving(channel)
elif asked == "no-certificate":
    assert serving(channel), "nobody is served"
    try:
        serving(Gateway(profile, certificate=False).channel)
        sys.exit("it was answered")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.UNAVAILABLE, error.code()
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
