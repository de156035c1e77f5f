from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

import pytest

from tests.support.fault_server import KLINES, FaultServer, page


def test_rate_limited_asks_for_seconds(server: FaultServer) -> None:
    server.on({"fault": "rate_limited", "retry_after_s": 7, "times": 1})
    reply = server.ask(KLINES)
    assert (reply.status, reply.headers["retry-after"]) == (429, "7")
    assert reply.json()["code"] == -1003
    assert server.get(KLINES) == page()


def test_rate_limited_asks_for_a_date(server: FaultServer) -> None:
    server.on({"fault": "rate_limited", "retry_after_s": 60, "form": "http_date"})
    before_s = time.time()
    told = parsedate_to_datetime(server.ask(KLINES).headers["retry-after"])
    # A date has whole seconds: rounded up, or it would come too early.
    assert before_s + 60 <= told.timestamp() < time.time() + 61


def test_rate_limited_long_and_mute(server: FaultServer) -> None:
    server.on({"fault": "rate_limited_long", "route": "/api/*"}, {"fault": "rate_limited_mute"})
    assert server.ask(KLINES).headers["retry-after"] == "999999"
    mute = server.ask("/fapi/v1/fundingRate")
    assert mute.status == 429
    assert "retry-after" not in mute.headers


def test_a_ban_holds_for_all_paths(server: FaultServer) -> None:
    server.on({"fault": "banned", "ban_s": 600, "times": 1, "route": "/api/v3/klines"})
    before_ms = int(time.time() * 1000)
    first = server.ask(KLINES)
    assert (first.status, first.headers["retry-after"]) == (418, "600")
    until_ms = int(first.json()["msg"].split("until ")[1].split(".")[0])
    assert before_ms - 1 <= until_ms - 600_000 <= time.time() * 1000
    for target in (KLINES, "/api/v3/time", "/fapi/v1/fundingRate", "/nowhere"):
        assert server.ask(target).status == 418, target
    hits = server.hits()
    assert [hit["during_ban"] for hit in hits] == [False, True, True, True, True]
    assert [hit["faults"] for hit in hits] == [["banned"], [], [], [], []]
    assert server.get("/sim/hits/summary")["during_ban"] == 4


def test_a_ban_ends_by_itself(server: FaultServer) -> None:
    server.on({"fault": "banned", "ban_s": 0.3, "times": 1, "route": "/api/v3/klines"})
    assert server.ask(KLINES).status == 418
    _wait_for_200(server, KLINES)


def test_a_ban_of_a_venue_leaves_the_others_open(server: FaultServer) -> None:
    server.on({"fault": "banned", "scope": "venue", "route": "/api/v3/time"})
    assert server.ask("/api/v3/time").status == 418
    assert server.ask(KLINES).status == 418
    assert server.ask("/fapi/v1/fundingRate").status == 200


def test_switching_all_off_lifts_bans(server: FaultServer) -> None:
    server.on({"fault": "banned"})
    assert server.ask(KLINES).status == 418
    assert server.send("DELETE", "/sim/faults").json() == {"switched_off": 1}
    assert server.ask(KLINES).status == 200


def _wait_for_200(server: FaultServer, target: str) -> None:
    deadline = time.monotonic() + 300
    while server.ask(target).status != 200:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("rule", "status", "told"),
    [
        ({"fault": "forbidden_html"}, 403, b"<!DOCTYPE html>"),
        ({"fault": "geo_blocked"}, 451, b"restricted location"),
        ({"fault": "server_error"}, 503, b'"code": -1001'),
        ({"fault": "server_error", "status": 502, "form": "html"}, 502, b"502 Bad Gateway"),
        ({"fault": "html_200"}, 200, b"<!DOCTYPE html>"),
        ({"fault": "not_found"}, 404, b"404 Not Found"),
        ({"fault": "unknown_symbol", "symbol": "BTCUSDT"}, 400, b'"code": -1121'),
    ],
)
def test_answers_instead(
    server: FaultServer, rule: dict[str, object], status: int, told: bytes
) -> None:
    server.on(rule)
    reply = server.ask(KLINES)
    assert reply.status == status
    assert told in reply.body
    kind = "text/html" if told.startswith((b"<", b"5", b"404")) else "application/json"
    assert reply.headers["content-type"].startswith(kind)
    assert server.hits()[0]["faults"] == [rule["fault"]]


def test_redirects_lead_where_the_rule_says(server: FaultServer) -> None:
    server.on({"fault": "redirect", "location": "file:///etc/hostname", "status": 307, "times": 1})
    reply = server.ask(KLINES)
    assert (reply.status, reply.headers["location"]) == (307, "file:///etc/hostname")
    server.on({"fault": "redirect"})
    assert server.ask(KLINES).headers["location"] == "http://elsewhere.invalid/"
