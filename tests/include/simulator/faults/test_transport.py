from __future__ import annotations

import http.client
import json
import socket
import time

import pytest

from tests.support.fault_server import KLINES, FaultServer, page

CLEAN = json.dumps(page()).encode()
KEPT = len(CLEAN) // 2


def test_a_clean_answer_is_left_alone(server: FaultServer) -> None:
    reply = server.ask(KLINES)
    assert (reply.status, reply.json()) == (200, page())
    assert reply.headers["content-length"] == str(len(reply.body))


def test_truncated_length_promises_more_than_it_sends(server: FaultServer) -> None:
    server.on({"fault": "truncated_length", "keep": 0.5})
    reply = server.ask(KLINES)
    assert (reply.status, reply.is_reset) == (200, False)
    assert reply.headers["content-length"] == str(len(CLEAN))
    assert reply.body == CLEAN[:KEPT]


def test_truncated_chunked_never_ends_its_chunks(server: FaultServer) -> None:
    server.on({"fault": "truncated_chunked"})
    reply = server.ask(KLINES)
    assert reply.headers["transfer-encoding"] == "chunked"
    assert reply.body == f"{KEPT:x}\r\n".encode() + CLEAN[:KEPT] + b"\r\n40\r\n["
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=300)
    connection.request("GET", KLINES)
    with pytest.raises(http.client.IncompleteRead):
        connection.getresponse().read()
    connection.close()


def test_reset_mid_body_is_a_reset_after_half(server: FaultServer) -> None:
    server.on({"fault": "reset_mid_body"})
    reply = server.ask(KLINES)
    assert (reply.status, reply.is_reset, reply.body) == (200, True, CLEAN[:KEPT])


def test_cut_invalid_json_has_no_frame_and_no_sense(server: FaultServer) -> None:
    server.on({"fault": "cut_invalid_json", "keep": 0.0}, {"fault": "empty_page"})
    reply = server.ask(KLINES)
    assert "content-length" not in reply.headers
    assert "transfer-encoding" not in reply.headers
    with pytest.raises(json.JSONDecodeError):
        reply.json()
    assert reply.body == b"["


def test_slow_loris_sends_a_byte_at_a_time(server: FaultServer) -> None:
    server.on({"fault": "slow_loris", "gap_s": 0.05, "max_s": 0.5})
    with server.connect() as client:
        client.sendall(server.request(KLINES))
        chunks = []
        while chunk := client.recv(1000):
            chunks.append(chunk)
    seen = b"".join(chunks)
    assert b"HTTP/1.1 200 OK\r\n".startswith(seen)
    # There is a gap after each byte; whoever reads late finds several at once.
    assert 1 <= len(seen) <= 11
    assert 1 in [len(chunk) for chunk in chunks]


def test_silent_sends_nothing_and_then_closes(server: FaultServer) -> None:
    server.on({"fault": "silent", "hold_s": 0.2})
    began_s = time.monotonic()
    reply = server.ask(KLINES)
    assert reply.all == b""
    assert time.monotonic() - began_s >= 0.2
    assert server.hits()[0]["status"] is None


def test_slow_faults_block_nobody_and_end_with_their_client(server: FaultServer) -> None:
    server.on({"fault": "silent", "symbol": "BTCUSDT"})
    waiting = [server.connect() for _ in range(30)]
    for client in waiting:
        client.sendall(server.request(KLINES))
    assert server.ask("/api/v3/time").status == 200
    _wait_until(lambda: len(server.hits("path=/api/v3/klines")) == 30, server)
    for client in waiting:
        client.close()
    _wait_until(lambda: all(hit["done_ms"] for hit in server.hits()), server)


def _wait_until(is_so: object, server: FaultServer) -> None:
    assert callable(is_so)
    deadline = time.monotonic() + 300
    while not is_so():
        assert time.monotonic() < deadline, server.hits()
        time.sleep(0.02)


def test_late_answer_is_whole(server: FaultServer) -> None:
    server.on({"fault": "late_answer", "delay_s": 0.2})
    began_s = time.monotonic()
    assert server.get(KLINES) == page()
    assert time.monotonic() - began_s >= 0.2


def test_an_endless_body_goes_on_and_holds_little(server: FaultServer) -> None:
    server.on({"fault": "endless_body"})
    reply = server.ask(KLINES, most_bytes=20_000_000)
    assert len(reply.all) >= 20_000_000
    assert reply.headers["transfer-encoding"] == "chunked"
    with server.connect() as unread:
        unread.sendall(server.request(KLINES))
        assert unread.recv(1)
        # It writes on until nothing more fits.
        time.sleep(0.3)
        assert server.ask("/sim/faults").status == 200
    _wait_until(lambda: all(hit["done_ms"] for hit in server.hits()), server)
    unread_bytes = server.hits()[-1]["bytes"]
    assert 0 < unread_bytes < 20_000_000


@pytest.mark.parametrize("reset", [False, True])
def test_refuse_connection_closes_without_a_byte(server: FaultServer, reset: bool) -> None:
    server.on({"fault": "refuse_connection", "reset": reset})
    reply = server.ask(KLINES)
    assert (reply.all, reply.is_reset) == (b"", reset)
    hit = server.hits()[0]
    assert (hit["status"], hit["bytes"], hit["faults"]) == (None, 0, ["refuse_connection"])


def test_tls_garbage_is_an_alert(server: FaultServer) -> None:
    server.on({"fault": "tls_garbage"})
    assert server.ask(KLINES).all == bytes.fromhex("15030300020228")


def test_a_damaged_connection_is_not_used_again(server: FaultServer) -> None:
    server.on({"fault": "truncated_length"})
    with socket.create_connection(("127.0.0.1", server.port), timeout=300) as client:
        client.sendall(f"GET {KLINES} HTTP/1.1\r\nHost: sim\r\n\r\n".encode())
        seen = b""
        while chunk := client.recv(65_536):
            seen += chunk
    assert b"Connection: close" in seen
    assert seen.count(b"HTTP/1.1") == 1
