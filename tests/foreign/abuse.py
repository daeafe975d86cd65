"""Attacks a gateway from outside, through OpenSSL and with HTTP/2 frames made here: abuse.py
PROFILE PROCESS, where PROCESS is the gateway's id.

TLS: only version 1.3 (which has no renegotiation), a client certificate of the gateway's own
authority, ALPN h2. HTTP/2: each attack has a connection of its own with a partner's valid
certificate. Whatever is done there, another caller is answered meanwhile, and the gateway's memory
stays within bounds.
"""

import datetime
import pathlib
import socket
import ssl
import struct
import sys
import tempfile
import threading
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from gateway import Gateway

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 8, 9
END_STREAM, END_HEADERS = 1, 4
# How much the gateway may grow by all attacks together, in KiB.
GROWTH = 128 << 10
# How long an attack goes on where the gateway lets it.
SECONDS = 2.0


def frame(kind, flags, stream, payload=b""):
    head = struct.pack(">I", len(payload))[1:] + bytes([kind, flags])
    return head + struct.pack(">I", stream) + payload


def text(value):
    """A header's name or value as HPACK has it, without Huffman coding; at most 16 KiB."""
    if len(value) < 127:
        return bytes([len(value)]) + value
    rest = len(value) - 127
    return bytes([127, rest % 128 + 128, rest // 128]) + value


def request():
    """The headers of a call without a token."""
    path = text(b"/tallygate.v1.AccessLogService/GetCheckpoint")
    fields = text(b"content-type") + text(b"application/grpc")
    return b"\x83\x87\x04" + path + b"\x01" + text(b"localhost") + b"\x00" + fields


class Attacker:
    """Connections as a profile names them."""

    def __init__(self, profile):
        self.gateway = Gateway(profile)
        host, port = self.gateway.profile["server"].rsplit(":", 1)
        self.address = (host.removeprefix("https://"), int(port))

    def context(self, version=ssl.TLSVersion.TLSv1_3, chain=True):
        folder, profile = self.gateway.folder, self.gateway.profile
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = context.maximum_version = version
        context.load_verify_locations(folder / profile["ca"])
        context.set_alpn_protocols(["h2"])
        if chain:
            context.load_cert_chain(folder / profile["certificate"], folder / profile["key"])
        return context

    def connect(self, context):
        plain = socket.create_connection(self.address, timeout=10)
        return context.wrap_socket(plain, server_hostname=self.gateway.profile["server_name"])

    def begin(self):
        """A connection on which HTTP/2 is spoken."""
        connection = self.connect(self.context())
        connection.sendall(PREFACE + frame(SETTINGS, 0, 0))
        return connection


def refused(attempt):
    """Whether the other side ends it before it has answered anything."""
    try:
        with attempt() as connection:
            connection.sendall(PREFACE + frame(SETTINGS, 0, 0))
            # Nothing, or TLS's alert to whoever speaks none.
            return connection.recv(1) in (b"", b"\x15")
    except (ssl.SSLError, ConnectionError):
        return True


def stranger(folder):
    """A certificate that no authority of the gateway's signed, with its key, in a file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stranger")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = folder / "stranger.pem"
    path.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM) + secret)
    return path


def check_tls(attacker):
    with attacker.begin() as connection:
        assert connection.version() == "TLSv1.3", connection.version()
        assert connection.selected_alpn_protocol() == "h2", "no HTTP/2"
        assert connection.recv(9)[3] == SETTINGS, "not answered"
    with tempfile.TemporaryDirectory() as folder:
        foreign = attacker.context(chain=False)
        foreign.load_cert_chain(stranger(pathlib.Path(folder)))
        attempts = {
            "TLS 1.2": lambda: attacker.connect(attacker.context(ssl.TLSVersion.TLSv1_2)),
            "no certificate": lambda: attacker.connect(attacker.context(chain=False)),
            "a stranger's certificate": lambda: attacker.connect(foreign),
            "no TLS": lambda: socket.create_connection(attacker.address, timeout=10),
        }
        for name, attempt in attempts.items():
            assert refused(attempt), f"not refused: {name}"
            print(f"refused: {name}")


def rapid_reset():
    block = request()
    for stream in range(1, 2**31, 2):
        cancel = frame(RST_STREAM, 0, stream, struct.pack(">I", 8))
        yield frame(HEADERS, END_HEADERS | END_STREAM, stream, block) + cancel


def header_bomb():
    yield frame(HEADERS, 0, 1, request())
    piece = (b"\x00" + text(b"x-filler") + text(b"y" * 4000)) * 4
    while True:
        yield frame(CONTINUATION, 0, 1, piece)


def compressed_bomb():
    """One field of 4,000 bytes, put in the table once and named by one byte ever after."""
    kept = b"\x40" + text(b"x") + text(b"y" * 4000)
    for stream in range(1, 2**31, 2):
        block = request() + (kept if stream == 1 else b"") + b"\xbe" * 8000
        yield frame(HEADERS, END_HEADERS | END_STREAM, stream, block)


def huge_frames():
    yield frame(HEADERS, END_HEADERS, 1, request())
    while True:
        yield frame(DATA, 0, 1, bytes(2**24 - 1))


def ping_flood():
    number = 0
    while True:
        number += 1
        yield frame(PING, 0, 0, struct.pack(">Q", number)) * 100


def settings_flood():
    while True:
        yield frame(SETTINGS, 0, 0) * 100


def empty_frames():
    yield frame(HEADERS, END_HEADERS, 1, request())
    while True:
        yield frame(DATA, 0, 1) * 100


def window_overflow():
    while True:
        yield frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 2**31 - 1))


ATTACKS = [
    rapid_reset,
    header_bomb,
    compressed_bomb,
    huge_frames,
    ping_flood,
    settings_flood,
    empty_frames,
    window_overflow,
]


def attack(attacker, frames):
    """Sends without reading, until the time is up or the gateway has had enough; the bytes sent."""
    sent, until = 0, time.monotonic() + SECONDS
    try:
        with attacker.begin() as connection:
            connection.settimeout(SECONDS)
            for piece in frames:
                connection.sendall(piece)
                sent += len(piece)
                if time.monotonic() > until:
                    return sent, "went on"
    except TimeoutError:
        return sent, "was made to wait"
    except (ssl.SSLError, ConnectionError):
        return sent, "was ended"
    return sent, "went on"


def most_memory(process):
    """The most memory that a process has had, in KiB."""
    status = pathlib.Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def ask(gateway):
    empty = gateway.message("GetCheckpointRequest")()
    assert gateway.call("AccessLogService/GetCheckpoint", empty).checkpoint, "not answered"


def main():
    profile, process = sys.argv[1:]
    attacker = Attacker(profile)
    check_tls(attacker)
    ask(attacker.gateway)
    before = most_memory(process)
    for frames in ATTACKS:
        outcome = []
        run = threading.Thread(target=lambda: outcome.append(attack(attacker, frames())))
        run.start()
        answered = 0
        while run.is_alive():
            ask(attacker.gateway)
            answered += 1
        ask(attacker.gateway)
        (sent, end), = outcome
        print(f"{frames.__name__}: {sent} bytes, {end}; {answered} calls answered meanwhile")
        assert answered, "nobody else was answered"
    grown = most_memory(process) - before
    print(f"the gateway grew by {grown} KiB")
    assert grown <= GROWTH, f"more than {GROWTH} KiB"


main()
