from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from include.market.errors import ContractError, SourceUnavailableError
from stack.airflow_api import AirflowApi
from stack.readiness import unhealthy_parts
from tests.support.ports import free_port

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
LATER, EARLIER = "2026-01-01T00:00:05Z", "2025-12-31T23:59:59Z"


class Airflow(BaseHTTPRequestHandler):
    """Answers as Airflow 3.3 does, for the one admin, and forgets each token after one use."""

    answers: dict[tuple[str, str], tuple[int, Any]]
    asked: list[tuple[str, str, Any]]
    tokens: list[str]

    def do_GET(self) -> None:
        self.reply("GET")

    def do_POST(self) -> None:
        self.reply("POST")

    def do_PATCH(self) -> None:
        self.reply("PATCH")

    def reply(self, method: str) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size)) if size else None
        path = self.path.split("?")[0]
        if path == "/auth/token":
            right = body == {"username": "admin", "password": "right"}
            self.tokens.append(f"token{len(self.tokens)}")
            return self.send(201 if right else 401, {"access_token": self.tokens[-1]})
        known = self.headers.get("Authorization", "").removeprefix("Bearer ") in self.tokens
        if path != "/api/v2/monitor/health" and not known:
            return self.send(401, {})
        self.asked.append((method, path, body))
        return self.send(*self.answers.get((method, path), (404, {"detail": "none"})))

    def send(self, status: int, document: Any) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())

    def log_message(self, *_: object) -> None:
        pass


class Server:
    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], tuple[int, Any]] = {}
        self.asked: list[tuple[str, str, Any]] = []
        self.tokens: list[str] = []
        handler = type("Handler", (Airflow,), vars(self))
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    threading.Thread(target=server.http.serve_forever, daemon=True).start()
    yield server
    server.http.shutdown()
    server.http.server_close()


@pytest.fixture
def api(server: Server) -> Iterator[AirflowApi]:
    with AirflowApi(server.url, "right") as api:
        yield api


def test_a_lost_token_is_fetched_again(server: Server, api: AirflowApi) -> None:
    server.answers["PATCH", "/api/v2/dags/x"] = (200, {})
    api.unpause("x")
    server.tokens.clear()
    api.unpause("x")
    assert server.asked == [("PATCH", "/api/v2/dags/x", {"is_paused": False})] * 2


def test_a_wrong_password_is_told(server: Server) -> None:
    with (
        AirflowApi(server.url, "wrong") as api,
        pytest.raises(ContractError, match="refuses the login of admin"),
    ):
        api.unpause("x")


def test_only_fresh_parses_and_fresh_errors_count(server: Server, api: AirflowApi) -> None:
    server.answers["GET", "/api/v2/dags"] = (
        200,
        {
            "dags": [
                {"dag_id": "fresh", "last_parsed_time": LATER},
                {"dag_id": "stale", "last_parsed_time": EARLIER},
                {"dag_id": "never", "last_parsed_time": None},
                {"dag_id": "other", "last_parsed_time": LATER},
            ]
        },
    )
    assert api.parsed_dags(("fresh", "stale", "never"), SINCE) == {"fresh"}
    trace = "Traceback:\n  x\nImportError: no y\n"
    server.answers["GET", "/api/v2/importErrors"] = (
        200,
        {
            "import_errors": [
                {"filename": "a.py", "stack_trace": trace, "timestamp": LATER},
                {"filename": "b.py", "stack_trace": trace, "timestamp": EARLIER},
            ]
        },
    )
    assert api.import_errors(SINCE) == ["a.py: ImportError: no y"]


def test_the_paused_ones_are_named(server: Server, api: AirflowApi) -> None:
    rows = [{"dag_id": dag_id, "is_paused": dag_id != "b"} for dag_id in ("c", "b", "a")]
    server.answers["GET", "/api/v2/dags"] = (200, {"dags": rows})
    assert api.paused_dags() == ("a", "c")


@pytest.mark.parametrize(("status", "created"), [(200, True), (409, False)])
def test_a_backfill_runs_failed_days_again(
    server: Server, api: AirflowApi, status: int, created: bool
) -> None:
    server.answers["POST", "/api/v2/backfills"] = (status, {})
    assert api.create_backfill("history", SINCE, SINCE) is created
    body = server.asked[0][2]
    assert (body["dag_id"], body["reprocess_behavior"]) == ("history", "failed")
    assert body["from_date"] == "2026-01-01T00:00:00+00:00"


def test_a_refusal_and_an_outage_are_different_errors(server: Server, api: AirflowApi) -> None:
    server.answers["POST", "/api/v2/backfills"] = (422, {"detail": "future"})
    with pytest.raises(ContractError, match=r"HTTP 422.*future"):
        api.create_backfill("history", SINCE, SINCE)
    server.answers["POST", "/api/v2/dags/x/dagRuns"] = (503, {})
    with pytest.raises(SourceUnavailableError, match="HTTP 503"):
        api.trigger("x")
    with (
        AirflowApi(f"http://127.0.0.1:{free_port()}", "right") as nobody,
        pytest.raises(SourceUnavailableError, match=r"does not answer \(ConnectionError\)"),
    ):
        nobody.trigger("x")
    with AirflowApi(f"http://127.0.0.1:{free_port()}", "right") as nobody:
        assert nobody.health() == {}


def test_open_backfills_are_those_not_complete(server: Server, api: AirflowApi) -> None:
    rows = [{"id": 2, "completed_at": None}, {"id": 1, "completed_at": LATER}]
    server.answers["GET", "/api/v2/backfills"] = (200, {"backfills": rows})
    assert api.open_backfills("history") == rows[:1]


HEALTHY = {
    "metadatabase": {"status": "healthy"},
    "scheduler": {"status": "healthy", "latest_scheduler_heartbeat": LATER},
    "triggerer": {"status": "healthy", "latest_triggerer_heartbeat": LATER},
    "dag_processor": {"status": "healthy", "latest_dag_processor_heartbeat": LATER},
}


def test_health_counts_only_with_a_fresh_heartbeat() -> None:
    assert unhealthy_parts(HEALTHY, SINCE) == []
    dead = {"scheduler": {"status": "healthy", "latest_scheduler_heartbeat": EARLIER}}
    assert unhealthy_parts(HEALTHY | dead, SINCE) == ["scheduler"]
    ill = {"dag_processor": {"status": "unhealthy", "latest_dag_processor_heartbeat": LATER}}
    assert unhealthy_parts(HEALTHY | ill, SINCE) == ["dag-processor"]
    never = {"triggerer": {"status": None, "latest_triggerer_heartbeat": None}}
    assert unhealthy_parts(HEALTHY | never, SINCE) == ["triggerer"]
    restarted = {"scheduler": SINCE + timedelta(seconds=6), "triggerer": SINCE}
    assert unhealthy_parts(HEALTHY, SINCE, restarted) == ["scheduler"]
    assert unhealthy_parts({}, SINCE) == ["api-server", "scheduler", "triggerer", "dag-processor"]
