"""Thirty days of five instruments in weather of every kind: it ends complete and correct."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.exchanges.governor import LocalGovernor
from include.exchanges.http import HttpClient, HttpSettings
from include.market.rate_limit import RateLimit
from include.market.span import Span
from include.market.timeframe import DAY_MS
from tests.support.fault_lab import NOW_MS, TODAY_MS, Lab, closed_ms
from tests.support.fault_operator import Operator
from tests.support.invariants import check_complete, check_honest
from tests.support.river import River
from tests.support.simulator import run_simulator

SCENARIO = Path(__file__).with_name("everything.yaml")
BY_REST = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
BY_ARCHIVE = ("BNBUSDT", "XRPUSDT")
MONTH = Span(TODAY_MS - 30 * DAY_MS, TODAY_MS)
SILENT_SOLUSDT = Span(1_793_491_200_000, MONTH.end_ms)
"""From 2026-11-01 on it has no candle any more."""
MOST_ROUNDS = 12


@pytest.fixture
def lab() -> Iterator[Lab]:
    with run_simulator(
        "--seed", "11", "--instruments", ",".join(BY_REST + BY_ARCHIVE),
        "--clock", f"frozen:{NOW_MS}", "--outages-per-year", "60",
        "--weight-limit", "1000000000",
    ) as url:  # fmt: skip
        yield Lab(url)


def client_of(lab: Lab) -> HttpClient:
    settings = HttpSettings(deadline_s=2.0, attempts=4, backoff_base_s=0.01, backoff_cap_s=0.05)
    return HttpClient(lab.url, settings, governor=LocalGovernor(RateLimit("binance_spot", 10**9)))


def test_a_month_of_everything_at_once_ends_complete_and_correct(
    lab: Lab, warehouse_dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario: dict[str, Any] = yaml.safe_load(SCENARIO.read_text(encoding="utf-8"))
    changes = scenario["amendments"]
    early = [rule for rule in changes if rule["kind"] != "revised"]
    rivers = [
        River(warehouse_dsn, lab.url, tmp_path, BY_REST, client=client_of(lab)),
        River(
            warehouse_dsn, lab.url, tmp_path, BY_ARCHIVE, client=client_of(lab), with_archive=True
        ),
    ]
    operators = [Operator(river) for river in rivers]
    for river in rivers:
        river.settings = replace(river.settings, page_limit=500)
        river.sync()
        if river.archive is not None:
            river.archive._sleep = lambda _: None
    lab.send("POST", "/sim/scenario", {"faults": scenario["faults"], "amendments": early})

    rounds = [operator.backfill(MONTH, most_rounds=MOST_ROUNDS) for operator in operators]
    for river in rivers:
        check_honest(river.dsn, lab.url, river.venue, river.symbols, venue_lied=True)

    # Late candles have come by now, and others were mended.
    lab.restore()
    lab.amend(*(rule for rule in changes if rule["kind"] != "late"))
    for operator in operators:
        operator.ask_again(MONTH)
        operator.try_until_done("fetch")
        operator.try_until_done("audit")
        operator.backfill(MONTH, most_rounds=MOST_ROUNDS)
    fired = lab.fired()
    never = [name for name, times in fired.items() if not times]
    # What was hidden twice by bad luck is asked for when the weather has cleared.
    lab.lift()
    for operator in operators:
        operator.ask_again(MONTH)
    # What one instrument alone lacks is proven by a look some time later.
    for river in rivers:
        river.repair(run_id="repair", at=datetime.now(UTC) + timedelta(minutes=11))
    for river in rivers:
        river.check()
        river.load(run_id="repair")
        river.cascade(run_id="repair")
        check_honest(river.dsn, lab.url, river.venue, river.symbols)
        others = [symbol for symbol in river.symbols if symbol != "SOLUSDT"]
        check_complete(river.dsn, lab.url, river.venue, others, MONTH)
    # One that fell silent for good is complete up to there. Nobody says why, so nothing after that
    # is proven: it stays written down as a task.
    alive = Span(MONTH.start_ms, SILENT_SOLUSDT.start_ms)
    check_complete(rivers[0].dsn, lab.url, rivers[0].venue, ("SOLUSDT",), alive)
    told = (
        rivers[0]
        .conn.execute(
            "SELECT reason, sum(least(span_end, %s) - span_start) FROM ledger.gap "
            "JOIN market.instrument USING (instrument_id) WHERE symbol = 'SOLUSDT' "
            "AND closed_at IS NULL AND span_start >= %s AND span_start < %s GROUP BY reason",
            (MONTH.end_time, SILENT_SOLUSDT.start_time, MONTH.end_time),
        )
        .fetchall()
    )
    assert {reason for reason, _ in told} <= {"outage", "unknown"}
    missed = timedelta(milliseconds=SILENT_SOLUSDT.end_ms - SILENT_SOLUSDT.start_ms)
    assert sum((length for _, length in told), timedelta()) == missed
    live = Span(TODAY_MS, closed_ms())
    check_complete(rivers[0].dsn, lab.url, rivers[0].venue, ("BTCUSDT", "ETHUSDT"), live)
    revised = (
        rivers[0]
        .conn.execute(
            "SELECT symbol, count(*) FROM market.candle_revision JOIN market.instrument "
            "USING (instrument_id) WHERE timeframe = '1m' GROUP BY 1 ORDER BY 1"
        )
        .fetchall()
    )
    errors = sum(len(operator.errors) for operator in operators)
    with capsys.disabled():
        told = ", ".join(f"{name} {times}" for name, times in sorted(fired.items()))
        print(f"\n{sum(fired.values())} faults fired in {len(lab.hits())} requests: {told}")
        print(f"rounds {rounds}, errors {errors}, revised {dict(revised)}")
    for river in rivers:
        river.close()
    assert never == []
    assert len(fired) >= 15
    assert dict(revised) == {"BNBUSDT": 45, "BTCUSDT": 45, "XRPUSDT": 5}
