"""A simulator that a test makes misbehave through its control routes, and work on a river in it."""

from __future__ import annotations

import json
import time
import urllib.request
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from include.market.errors import CandlewickError
from include.market.span import Span, to_ms
from include.market.timeframe import DAY_MS, H4, M1
from tests.support.invariants import check_complete, check_honest
from tests.support.river import River

NOW = datetime(2026, 11, 10, 9, 17, 23, tzinfo=UTC)
NOW_MS = to_ms(NOW)
TODAY_MS = NOW_MS // DAY_MS * DAY_MS
NIGHT = Span(TODAY_MS, TODAY_MS + 2 * H4.length_ms)
"""Eight hours that ended a while ago: several short pages, two whole buckets of every length."""
YESTERDAY = Span(TODAY_MS - DAY_MS, TODAY_MS)
PAGE_LIMIT = 120
MOST_REQUESTS = 40
"""More than any run over NIGHT needs, tries of a failing page included."""

SIMULATED = (
    "--seed", "7", "--instruments", "BTCUSDT,ETHUSDT", "--clock", f"frozen:{NOW_MS}",
    "--outages-per-year", "0", "--weight-limit", "1000000000",
)  # fmt: skip
KLINES = {"spot": "/api/v3/klines", "usdm": "/fapi/v1/klines", "archive": "/data/*.zip"}


@dataclass(frozen=True, slots=True)
class Lab:
    """The control routes of one simulator."""

    url: str

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """Ask a control route and return its JSON answer."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method=method)  # noqa: S310
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return json.load(answer)

    def break_things(self, *rules: dict[str, Any]) -> None:
        """Switch fault rules on, beside those that are on."""
        self.send("POST", "/sim/faults", list(rules))

    def lift(self) -> None:
        """Switch all faults off, end bans and pauses."""
        self.send("DELETE", "/sim/faults")

    def amend(self, *rules: dict[str, Any]) -> None:
        """Change the market itself."""
        self.send("POST", "/sim/amendments", list(rules))

    def restore(self) -> None:
        """Take all changes of the market back."""
        self.send("DELETE", "/sim/amendments")

    def reset(self) -> None:
        """Be an honest exchange again, that nobody has asked anything."""
        self.lift()
        self.restore()
        self.forget()

    def forget(self) -> None:
        """Empty the log of requests."""
        self.send("DELETE", "/sim/hits")

    def hits(self, path: str = "*") -> list[dict[str, Any]]:
        """Return the requests logged since the last reset, oldest first."""
        found: list[dict[str, Any]] = self.send("GET", f"/sim/hits?limit=100000&path={path}")[
            "hits"
        ]
        return found

    def wait_until_done(self) -> list[dict[str, Any]]:
        """Return the requests once the answers of all have ended, one way or the other."""
        deadline = time.monotonic() + 300
        while any(hit["done_ms"] is None for hit in self.hits()):
            assert time.monotonic() < deadline, "an answer never ended"
            time.sleep(0.05)
        return self.hits()

    def fired(self) -> dict[str, int]:
        """Return how often each fault that is on has fired."""
        counts: dict[str, int] = {}
        for rule in self.send("GET", "/sim/faults")["faults"]:
            counts[rule["fault"]] = counts.get(rule["fault"], 0) + rule["fired"]
        return counts


def on_pages(
    fault: str, *, venue: str = "spot", span: Span = NIGHT, **params: Any
) -> dict[str, Any]:
    """Return a rule that meets the pages of ``span``, and not the question for the first candle."""
    bounds = {"from_ms": span.start_ms, "to_ms": span.end_ms}
    return {"fault": fault, "route": KLINES[venue], **bounds, **params}


def shorten_pages(river: River, page_limit: int = PAGE_LIMIT) -> River:
    """Let a river ask for short pages, so that a few hours take several."""
    river.settings = replace(river.settings, page_limit=page_limit)
    return river


def settle(river: River, *, run_id: str) -> dict[str, dict[str, int]]:
    """Check, load and roll up what has landed; return what check and load said."""
    said = {"check": river.check(), "load": river.load(run_id=run_id)}
    river.cascade(run_id=run_id)
    return said


def run_through(river: River, span: Span = NIGHT, *, run_id: str) -> dict[str, dict[str, int]]:
    """Backfill ``span`` and take it through every stage."""
    river.backfill(span, run_id=run_id)
    return settle(river, run_id=run_id)


def assert_honest(river: River) -> None:
    """Assert what must hold at any moment, whether the work is done or not."""
    check_honest(river.dsn, river.venue_url, river.venue, river.symbols)


def assert_complete(river: River, span: Span = NIGHT) -> None:
    """Assert that ``span`` is as it is in truth, and all of it proven."""
    assert_honest(river)
    check_complete(river.dsn, river.venue_url, river.venue, river.symbols, span)


def count(river: River, table: str) -> int:
    """Return how many rows a table has."""
    row = river.conn.execute(f"SELECT count(*) FROM {table}").fetchone()
    assert row is not None
    return int(row[0])


def refused_rules(river: River) -> set[str]:
    """Return the rules under which rows lie in quarantine."""
    rows = river.conn.execute("SELECT DISTINCT rule FROM ledger.quarantine").fetchall()
    return {rule for (rule,) in rows}


def closed_ms() -> int:
    """Return the end of the last closed minute at the frozen exchange."""
    return M1.floor_ms(NOW_MS)


def survive(
    lab: Lab,
    river: River,
    *rules: dict[str, Any],
    error: type[CandlewickError],
    times: int = 2,
    most_requests: int = MOST_REQUESTS,
    span: Span = NIGHT,
) -> str:
    """Assert both ends of faults that ruin whole answers; return the last error's message.

    As long as one of them lasts the run ends in ``error`` after few requests, and nothing is
    stored. When all pass after ``times`` answers each, a run goes on by itself and ends complete.
    """
    river.sync()
    message = ""
    for rule in rules:
        message = _fail(lab, river, rule, error, most_requests, span)
    lab.break_things(*({**rule, "times": times} for rule in rules))
    run_through(river, span, run_id="passing")
    assert sum(lab.fired().values()) == times * len(rules)
    assert_complete(river, span)
    return message


def _fail(
    lab: Lab,
    river: River,
    rule: dict[str, Any],
    error: type[CandlewickError],
    most_requests: int,
    span: Span,
) -> str:
    lab.break_things(rule)
    lab.forget()
    with pytest.raises(error) as caught:
        run_through(river, span, run_id="lasting")
    fired = sum(bool(hit["faults"]) for hit in lab.hits())
    assert 1 <= fired <= len(lab.hits()) <= most_requests
    lab.lift()
    assert count(river, "market.candle_1m") == 0
    assert count(river, "ledger.coverage") == 0
    message = str(caught.value)
    assert "\n" not in message
    assert "startTime" not in message
    return message


def quarantine(
    lab: Lab,
    river: River,
    *rules: dict[str, Any],
    expected: set[str],
    span: Span = NIGHT,
) -> None:
    """Assert both ends of faults that ruin single rows, which the gate must catch.

    While they last the sound rows are stored, the others kept in quarantine under the ``expected``
    rules, and their minutes stay unproven. A run after it completes and corrects the rest.
    """
    river.sync()
    lab.break_things(*rules)
    said = run_through(river, span, run_id="lasting")
    assert all(rule["fired"] for rule in lab.send("GET", "/sim/faults")["faults"])
    assert said["check"]["refused"] >= len(rules)
    assert refused_rules(river) == expected
    assert count(river, "market.candle_1m") > 0
    assert_honest(river)
    lab.lift()
    said = run_through(river, span, run_id="passed")
    assert said["check"]["refused"] == 0
    assert_complete(river, span)
