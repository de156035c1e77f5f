from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from include.market.errors import InvalidInputError
from stack import preflight
from stack.layout import Layout, StackRecord
from stack.settings import parse_settings
from tests.support.ports import free_port, free_ports


def record(**changes: object) -> StackRecord:
    base = StackRecord(source="simulator", port=18080, days=30, instruments="", seed=7)
    return base.with_changes(**changes)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Somebody on a port; the two below it are free."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_ports(3) + 2))
        taken.listen()
        yield taken


@pytest.mark.parametrize(("offset", "part"), [(0, "api-server"), (1, "postgres"), (2, "simulator")])
def test_a_taken_port_is_named_with_its_holder(
    listener: socket.socket, offset: int, part: str
) -> None:
    port = listener.getsockname()[1]
    with pytest.raises(InvalidInputError) as caught:
        preflight.check_ports(record(port=port - offset))
    message = str(caught.value)
    assert f"port {port}" in message
    assert f"for {part} is in use" in message
    assert f"(pid {os.getpid()})" in message
    assert "PORT=" in message
    assert "\n" not in message


def test_the_simulators_port_does_not_matter_for_binance(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    preflight.check_ports(record(source="binance", port=port - 2))


def test_free_ports_pass() -> None:
    preflight.check_ports(record(port=free_ports(3)))


def test_an_old_python_is_named() -> None:
    preflight.check_python()
    with pytest.raises(InvalidInputError, match=r"Python 3\.10\.9 is too old.*PYTHON="):
        preflight.check_python((3, 10, 9))


def test_a_full_disk_is_refused_and_missing_folders_are_fine(tmp_path: Path) -> None:
    preflight.check_folder(tmp_path / "not" / "yet")
    with pytest.raises(InvalidInputError, match=r"GB are free.*STATE=PATH"):
        preflight.check_folder(tmp_path, min_free_bytes=10**18)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InvalidInputError, match="not writable"):
        preflight.check_folder(tmp_path / "state")


@pytest.mark.parametrize(
    ("given", "held"),
    [
        ({"SOURCE": "binance"}, "SOURCE=simulator SEED=7"),
        ({"SEED": "8"}, "SOURCE=simulator SEED=7"),
    ],
)
def test_another_source_never_pours_over_the_old_data(
    given: dict[str, str], held: str, tmp_path: Path
) -> None:
    settings = parse_settings(given, tmp_path)
    with pytest.raises(InvalidInputError, match=f"{held}: go on with those by make up {held}, or"):
        preflight.check_same_data(settings, record())


def test_the_same_source_may_come_back_with_more_days(tmp_path: Path) -> None:
    preflight.check_same_data(parse_settings({"DAYS": "90"}, tmp_path), record())
    preflight.check_same_data(parse_settings({"SOURCE": "binance"}, tmp_path), None)
    again = parse_settings({"SOURCE": "binance", "SEED": "9"}, tmp_path)
    preflight.check_same_data(again, record(source="binance"))


class Venue(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/api/v3/ping" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(("status", "fine"), [(200, True), (451, False), (302, False)])
def test_binance_must_answer_its_ping(status: int, fine: bool) -> None:
    handler = type("Handler", (Venue,), {"status": status})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        try:
            if fine:
                preflight.check_binance(url)
            else:
                with pytest.raises(InvalidInputError, match=f"HTTP {status}.*SOURCE=simulator"):
                    preflight.check_binance(url)
        finally:
            server.shutdown()


def test_an_unreachable_venue_is_one_line() -> None:
    with pytest.raises(InvalidInputError) as caught:
        preflight.check_binance(f"http://127.0.0.1:{free_port()}")
    assert "does not answer (ConnectionError)" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({}, "https://declared.example"),
        ({"AIRFLOW_CONN_BINANCE_SPOT": '{"host": "http://127.0.0.1:9"}'}, "http://127.0.0.1:9"),
        ({"AIRFLOW_CONN_BINANCE_SPOT": "http://other.example"}, "https://other.example"),
    ],
)
def test_the_venues_address_follows_the_connection(
    given: dict[str, str], url: str, tmp_path: Path
) -> None:
    (tmp_path / "airflow_settings.yaml").write_text(
        "airflow:\n  connections:\n    - conn_id: binance_spot\n      conn_type: http\n"
        "      conn_host: https://declared.example\n"
    )
    assert preflight.binance_base_url(Layout(tmp_path / "state", tmp_path), given) == url
