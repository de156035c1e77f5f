"""One request at a time against a server that stalls, floods, cuts and packs."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from include.exchanges import wire
from include.exchanges.wire import Reply, Wire
from include.market.errors import FinalError, SourceUnavailableError
from tests.support.http_server import (
    Act,
    Script,
    answer,
    chunked,
    flood,
    gzipped,
    hang,
    reset,
    serve,
    trickle,
)

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@contextmanager
def connected(*answers: Act, **options: Any) -> Iterator[tuple[Wire, Script]]:
    with serve(*answers, **options) as script:
        asking = Wire(script.base_url)
        try:
            yield asking, script
        finally:
            asking.close()


def ask(asking: Wire, *, deadline_s: float = 20, cap: int = 100_000) -> Reply:
    return asking.ask("/x", "", {}, deadline_s=deadline_s, cap=cap)


STALLS = {
    "silence": hang(),
    "half a status line": hang(b"HTTP/1.1 20"),
    "half a header": hang(HEAD + b"X-Slow: "),
    "no body": hang(HEAD + b"Content-Length: 5\r\n\r\n"),
    "half a body": hang(HEAD + b"Content-Length: 5\r\n\r\n12"),
    "half a chunk": hang(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n12"),
    "a trickle of headers": trickle(HEAD + b"X-Slow: " + b"x" * 5000, 0.02),
    "a trickle of body": trickle(HEAD + b"\r\n" + b"x" * 5000, 0.02),
    "a trickle of chunks": trickle(chunked(*[b"x"] * 1000), 0.02),
    "continue for ever": flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@pytest.mark.parametrize("stall", STALLS.values(), ids=STALLS)
def test_whatever_stalls_ends_at_the_deadline(stall: Act) -> None:
    with (
        connected(stall) as (asking, _),
        pytest.raises(SourceUnavailableError, match=r"no whole answer in 0\.4 s"),
    ):
        ask(asking, deadline_s=0.4)


def test_a_server_that_does_not_even_accept_ends_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for caller in waiting:
            caller.setblocking(False)
            caller.connect_ex(("127.0.0.1", port))
        with pytest.raises(SourceUnavailableError, match="no whole answer"):
            ask(Wire(f"http://127.0.0.1:{port}"), deadline_s=0.3)
        for caller in waiting:
            caller.close()


CUTS = {
    "nothing": b"",
    "body": answer(b'{"ok":true}')[:-1],
    "whole body": answer(b'{"ok":true}')[:-11],
    "chunk": chunked(b'{"ok":', b"true}")[:-8],
    "last chunk": chunked(b'{"ok":true}', end=False),
    "packed body": gzipped(b'{"ok":true}')[:-1],
    "packed with another length": HEAD
    + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n"
    # A gzip stream without its trailer, and no length that would tell.
    + gzip.compress(b'{"ok":true}')[:-8],
    "reset": reset(answer(b'{"ok":true}')[:-1]),
    "garbage": b"\x00\x01\x02 nonsense\r\n\r\n",
}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_a_cut_answer_is_never_taken_for_a_whole_one(cut: Act) -> None:
    with connected(cut) as (asking, _), pytest.raises(SourceUnavailableError):
        ask(asking)


@pytest.mark.parametrize(
    "reply",
    [
        answer(b'{"ok":true}'),
        chunked(b'{"ok":', b"true}"),
        gzipped(b'{"ok":true}'),
        HEAD + b"Connection: close\r\n\r\n" + b'{"ok":true}',
        trickle(gzipped(b'{"ok":true}'), 0.001),
    ],
    ids=["length", "chunks", "packed", "until closed", "slow but whole"],
)
def test_every_framing_gives_the_same_body(reply: Act) -> None:
    with connected(reply) as (asking, _):
        assert ask(asking).body == b'{"ok":true}'


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = gzip.compress(bytes(30_000_000))
    assert len(bomb) < 40_000
    with (
        connected(answer(bomb, extra="Content-Encoding: gzip\r\n")) as (asking, _),
        pytest.raises(FinalError, match=rf"unpacked {len(bomb)} bytes to over {200 * len(bomb)}"),
    ):
        ask(asking, cap=64_000_000)


def test_an_honest_answer_may_shrink_a_lot() -> None:
    rows = b"[" + b",".join([b'[1499040000000,"0.1","0.1","0.1","0.1","0",0]'] * 20_000) + b"]"
    with connected(gzipped(rows)) as (asking, _):
        assert ask(asking, cap=10_000_000).body == rows


@pytest.mark.parametrize(
    "large",
    [
        # Refused by its announcement, for nothing more ever comes.
        hang(HEAD + b"Content-Length: 100001\r\n\r\n"),
        answer(b" " * 100_001),
        chunked(*[b" " * 1000] * 101),
        flood(HEAD + b"\r\n", b" " * 10_000),
        flood(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"3e8\r\n%s\r\n" % (b" " * 1000)),
        gzipped(b" " * 100_001),
    ],
    ids=["announced", "sent", "chunks", "endless", "endless chunks", "packed"],
)
def test_a_body_beyond_the_cap_is_cut_off(large: Act) -> None:
    with connected(large) as (asking, _), pytest.raises(FinalError, match="at most 100000"):
        ask(asking)


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "deflate", "\x1b[31m"])
def test_only_plain_gzip_is_unpacked(encoding: str) -> None:
    packed = gzip.compress(gzip.compress(b"{}"))
    with (
        connected(answer(packed, extra=f"Content-Encoding: {encoding}\r\n")) as (asking, _),
        pytest.raises(SourceUnavailableError, match="only gzip") as caught,
    ):
        ask(asking)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "packed",
    [b"not gzip at all", gzip.compress(b"{}") + b"more", zlib.compress(b"{}")],
    ids=["no gzip", "bytes after the end", "zlib"],
)
def test_damaged_packing_is_passing_trouble(packed: bytes) -> None:
    with (
        connected(answer(packed, extra="Content-Encoding: gzip\r\n")) as (asking, _),
        pytest.raises(SourceUnavailableError, match="gzip"),
    ):
        ask(asking)


def test_one_connection_serves_request_after_request() -> None:
    with connected(answer(b"{}", keep=True)) as (asking, script):
        for _ in range(5):
            assert ask(asking).body == b"{}"
    assert (len(script.requests), script.connections) == (5, 1)


def test_a_connection_that_the_server_closed_meanwhile_is_replaced() -> None:
    closed = threading.Event()

    def close_after(client: socket.socket, stop: threading.Event) -> None:
        client.sendall(answer(b"{}", keep=True))
        client.shutdown(socket.SHUT_RDWR)
        closed.set()

    with connected(close_after) as (asking, script):
        for _ in range(3):
            assert ask(asking).body == b"{}"
            assert closed.wait(60)
            closed.clear()
    assert script.connections == 3


def test_an_answer_nobody_asked_for_is_not_taken_for_the_next_one() -> None:
    forged = answer(b'"forged"', keep=True)
    with connected(answer(b"1", keep=True) + forged, answer(b"2", keep=True)) as (asking, script):
        assert ask(asking).body == b"1"
        assert ask(asking).body == b"2"
    assert len(script.requests) == 2


def test_after_a_failure_the_next_request_starts_on_a_clean_connection() -> None:
    late = trickle(answer(b'"late"', keep=True), 0.02)
    with connected(late, answer(b"[]", keep=True)) as (asking, script):
        with pytest.raises(SourceUnavailableError):
            ask(asking, deadline_s=0.2)
        assert ask(asking).body == b"[]"
    assert script.connections == 2


def test_an_error_page_may_be_larger_than_the_file_asked_for() -> None:
    with connected(answer(b"x" * 5000, "404 Missing")) as (asking, _):
        assert ask(asking, cap=10).status == 404


def certificate(folder: Path) -> Path:
    """Write a certificate for 127.0.0.1 with its key into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "loopback.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """Return a server's context whose certificate this process trusts."""
    path = certificate(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    wire._tls.cache_clear()
    yield server
    wire._tls.cache_clear()


def test_tls_serves_request_after_request_on_one_connection(tls: ssl.SSLContext) -> None:
    with connected(answer(b"{}", keep=True), tls=tls) as (asking, script):
        for _ in range(3):
            assert ask(asking).body == b"{}"
    assert (len(script.requests), script.connections) == (3, 1)


def test_under_tls_a_trickle_of_headers_ends_at_the_deadline(tls: ssl.SSLContext) -> None:
    slow = trickle(HEAD + b"X-Slow: " + b"x" * 5000, 0.02)
    with (
        connected(slow, tls=tls) as (asking, _),
        pytest.raises(SourceUnavailableError, match="no whole answer"),
    ):
        ask(asking, deadline_s=0.5)


def test_a_handshake_that_stalls_ends_at_the_deadline(tls: ssl.SSLContext) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(SourceUnavailableError, match="no whole answer"):
            ask(Wire(f"https://127.0.0.1:{port}"), deadline_s=0.3)


def test_a_certificate_that_nobody_vouches_for_is_refused(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with (
        connected(answer(b"{}"), tls=tls) as (asking, script),
        pytest.raises(SourceUnavailableError, match="SSLCertVerificationError"),
    ):
        ask(asking)
    assert script.requests == []
