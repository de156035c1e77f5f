from __future__ import annotations

from typing import Any

import pytest

from include.simulator.faults.hits import HitLog
from include.simulator.faults.standing import Standing
from tests.support.fault_server import FIRST_MS, KLINES, FaultServer, page

HIT_KEYS = {
    "serial",
    "time_ms",
    "monotonic_ms",
    "address",
    "method",
    "path",
    "query",
    "pause_age_ms",
    "during_pause",
    "during_ban",
    "status",
    "bytes",
    "faults",
    "done_ms",
}


def test_rules_are_listed_with_their_counts(server: FaultServer) -> None:
    ids = server.on({"fault": "bom", "times": 1}, {"fault": "empty_page", "route": "/fapi/*"})
    server.ask(KLINES)
    server.ask(KLINES)
    told = server.get("/sim/faults")["faults"]
    assert [rule["id"] for rule in told] == ids
    counts = [(rule["fault"], rule["seen"], rule["fired"]) for rule in told]
    assert counts == [("bom", 2, 1), ("empty_page", 0, 0)]
    assert told[1]["route"] == "/fapi/*"


def test_one_rule_may_come_without_a_list(server: FaultServer) -> None:
    reply = server.send("POST", "/sim/faults", {"fault": "bom"})
    assert (reply.status, len(reply.json()["ids"])) == (200, 1)


def test_rules_are_switched_off_alone_or_together(server: FaultServer) -> None:
    first, second = server.on({"fault": "bom"}, {"fault": "empty_page"})
    assert server.send("DELETE", f"/sim/faults/{first}").json() == {"switched_off": 1}
    assert server.send("DELETE", f"/sim/faults/{first}").status == 404
    assert server.send("DELETE", "/sim/faults/first").status == 404
    assert [rule["id"] for rule in server.get("/sim/faults")["faults"]] == [second]
    assert server.send("DELETE", "/sim/faults").json() == {"switched_off": 1}
    assert server.get(KLINES) == page()


@pytest.mark.parametrize(
    ("path", "document", "message"),
    [
        ("/sim/faults", {"fault": "nothing"}, "fault rule 1 of 1: fault 'nothing' is unknown"),
        ("/sim/faults", [{"fault": "bom"}, {"fault": "bom", "x": 1}], "fault rule 2 of 2: key 'x'"),
        ("/sim/faults", 7, "expected a mapping"),
        ("/sim/scenario", [], "a scenario is a mapping"),
        ("/sim/scenario", {"fault": []}, "scenario key 'fault' is unknown"),
        ("/sim/scenario", {"faults": {}}, "scenario key 'faults' must be a list"),
        ("/sim/scenario", {"faults": [{}]}, "fault None is unknown"),
        ("/sim/scenario", {"faults": [{"fault": "bom"}], "amendments": [{}]}, "amendment 1: kind"),
    ],
)
def test_wrong_documents_change_nothing(
    server: FaultServer, path: str, document: object, message: str
) -> None:
    reply = server.send("POST", path, document)
    assert reply.status == 400
    assert message in reply.json()["msg"]
    assert server.get("/sim/faults") == {"faults": []}


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_bodies_that_are_no_json_are_refused(server: FaultServer, body: bytes) -> None:
    reply = server.ask("/sim/faults", method="POST", body=body)
    assert reply.status == 400
    assert "the body is not JSON" in reply.json()["msg"]


def test_a_scenario_puts_faults_and_amendments_in_force(server: FaultServer) -> None:
    missing = {"kind": "missing", "symbol": "BTCUSDT", "start": "now-10m", "end": "now-5m"}
    scenario = {"about": "x", "faults": [{"fault": "empty_page"}], "amendments": [missing]}
    before = len(server.stage.amendments.rules)
    reply = server.send("POST", "/sim/scenario", scenario)
    assert (len(reply.json()["ids"]), reply.json()["amendments"]) == (1, 1)
    assert server.get(KLINES) == []
    assert len(server.stage.amendments.rules) == before + 1


def test_faults_compose(server: FaultServer) -> None:
    server.on(
        {"fault": "cut_valid_json", "keep": 0.5},
        {"fault": "negative_volume", "row": 0},
        {"fault": "shuffled_rows", "order": "reversed"},
        {"fault": "bom"},
        {"fault": "truncated_length", "keep": 0.9},
        {"fault": "reset_mid_body"},
    )
    reply = server.ask(KLINES)
    assert reply.body[:3] == b"\xef\xbb\xbf"
    assert len(reply.body) == int(int(reply.headers["content-length"]) * 0.9)
    assert f"[{page()[49][0]},".encode() in reply.body[:40]
    assert server.fired() == [1, 1, 1, 1, 1, 0]
    names = ["cut_valid_json", "negative_volume", "shuffled_rows", "bom", "truncated_length"]
    assert server.hits()[0]["faults"] == names


def test_faults_that_ruin_each_other_leave_the_server_alive(server: FaultServer) -> None:
    names = ["huge_integer", "wrong_type", "iso_times", "microseconds", "rows_outside"]
    names += ["absurd_price", "leap_second", "removed_field", "clock_ahead", "duplicate_key"]
    rules: list[dict[str, object]] = [{"fault": name} for name in names]
    server.on(*rules)
    for target in (KLINES, "/api/v3/aggTrades", "/api/v3/exchangeInfo", "/api/v3/time"):
        assert server.ask(target).status == 200, target
    server.send("DELETE", "/sim/faults")
    assert server.get(KLINES) == page()


def test_errors_are_not_lied_about_but_can_be_damaged(server: FaultServer) -> None:
    server.on({"fault": "bom"}, {"fault": "truncated_length"})
    reply = server.ask("/api/v3/limited")
    assert (reply.status, server.fired()) == (429, [0, 1])
    assert reply.body.startswith(b'{"code"')


def test_the_log_tells_every_rest_request(server: FaultServer) -> None:
    server.ask(KLINES)
    server.ask("/nowhere?x=1")
    server.ask("/sim/faults")
    first, second = server.hits()
    assert set(first) == HIT_KEYS
    assert (first["path"], first["status"], first["address"]) == (
        "/api/v3/klines",
        200,
        "127.0.0.1",
    )
    assert first["bytes"] == len(server.ask(KLINES).body)
    assert f"startTime={FIRST_MS}" in first["query"]
    assert (second["path"], second["query"], second["status"]) == ("/nowhere", "x=1", 404)
    assert second["serial"] == first["serial"] + 1
    assert first["done_ms"] >= first["monotonic_ms"]


def test_the_log_is_read_on_from_a_serial_and_by_path(server: FaultServer) -> None:
    for target in (KLINES, "/api/v3/time", KLINES, "/fapi/v1/fundingRate"):
        server.ask(target)
    told: Any = server.get("/sim/hits?limit=2")
    assert [hit["path"] for hit in told["hits"]] == ["/api/v3/klines", "/api/v3/time"]
    rest = server.get(f"/sim/hits?since={told['next']}")
    assert [hit["path"] for hit in rest["hits"]] == ["/api/v3/klines", "/fapi/v1/fundingRate"]
    assert server.get(f"/sim/hits?since={rest['next']}")["hits"] == []
    assert len(server.hits("path=/api/*")) == 3
    assert server.send("DELETE", "/sim/hits").json() == {"forgotten": 4}
    assert server.hits() == []
    assert server.ask("/sim/hits?since=-1").status == 400


def test_requests_within_a_pause_are_told_apart(server: FaultServer) -> None:
    server.on({"fault": "rate_limited", "retry_after_s": 60, "times": 1, "route": "/api/*"})
    for target in (KLINES, KLINES, "/fapi/v1/fundingRate"):
        server.ask(target)
    hits = server.hits()
    assert [hit["during_pause"] for hit in hits] == [False, True, False]
    assert hits[1]["pause_age_ms"] < 10_000
    assert server.get("/sim/hits/summary") == {
        "requests": 3,
        "by_path": {"/api/v3/klines": {"429": 1, "200": 1}, "/fapi/v1/fundingRate": {"200": 1}},
        "by_status": {"429": 1, "200": 2},
        "by_fault": {"rate_limited": 1},
        "during_pause": 1,
        "during_ban": 0,
    }


def test_a_venue_s_own_refusal_begins_a_pause_too(server: FaultServer) -> None:
    server.ask("/api/v3/limited")
    server.ask(KLINES)
    assert [hit["during_pause"] for hit in server.hits()] == [False, True]


def test_a_pause_ends_and_a_second_refusal_lengthens_it() -> None:
    now = [0.0]
    standing = Standing(now_s=lambda: now[0])
    assert standing.paused_for_s("a", "api") is None
    standing.pause("a", "api", 10)
    now[0] = 8.0
    assert standing.paused_for_s("a", "api") == 8.0
    assert standing.paused_for_s("b", "api") is None
    standing.pause("a", "api", 1)
    now[0] = 9.5
    assert standing.paused_for_s("a", "api") == 9.5
    standing.pause("a", "api", 5)
    now[0] = 14.0
    assert standing.paused_for_s("a", "api") == 14.0
    now[0] = 14.5
    assert standing.paused_for_s("a", "api") is None


def test_the_log_is_a_ring() -> None:
    log = HitLog(size=3)
    for number in range(5):
        log.open("a", "GET", f"/{number}", "").finish(200, 1)
    told: Any = log.select(0, "*", 10)
    assert [hit["serial"] for hit in told["hits"]] == [3, 4, 5]
    assert (told["first"], told["next"]) == (3, 5)
