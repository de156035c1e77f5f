"""R39 and R40: clocks that are wrong, units that changed, and times that are not UTC."""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from include.exchanges.binance_usdm.client import BinanceUsdm
from include.exchanges.ccxt_venue.client import CcxtSource
from include.exchanges.governor import LocalGovernor
from include.market.errors import CandlewickError, ContractError
from include.market.rate_limit import RateLimit
from include.market.span import Span
from include.market.timeframe import M1
from tests.faults.conftest import Open
from tests.support.fault_lab import (
    NIGHT,
    TODAY_MS,
    YESTERDAY,
    Lab,
    assert_complete,
    assert_honest,
    closed_ms,
    count,
    on_pages,
    run_through,
    settle,
    shorten_pages,
)
from tests.support.river import River, open_client

MINUTES_MS = 5 * M1.length_ms
SHIFTS = [
    {"fault": "hour_shift", "hours": 1.0},
    {"fault": "hour_shift", "hours": -1.0},
    {"fault": "hour_shift", "hours": 5.5},
    {"fault": "dst_fall_back"},
    {"fault": "leap_second"},
    {"fault": "iso_times"},
]
NAMES = ["ahead", "behind", "half-hour", "fall-back", "leap-second", "iso"]


def river_of(lab: Lab, open_river: Open, venue: str) -> River:
    if venue == "spot":
        return open_river()
    client = open_client(lab.url)
    return open_river(source=BinanceUsdm(client), client=client)


def live(river: River, run_id: str) -> dict[str, int]:
    fetched = river.fetch(run_id=run_id)
    settle(river, run_id=run_id)
    return fetched


def test_r39_our_own_clock_does_not_matter(lab: Lab, river: River) -> None:
    """The exchange stands still on a day that is not today; what is final is decided there."""
    river.sync()
    live(river, "one")
    newest = river.conn.execute("SELECT max(open_time) FROM market.candle_1m").fetchone()
    assert newest == (Span(closed_ms() - M1.length_ms, closed_ms()).start_time,)
    assert_complete(river, Span(TODAY_MS, closed_ms()))


def test_r39_a_clock_that_is_behind_only_delays(lab: Lab, river: River) -> None:
    river.sync()
    lab.break_things({"fault": "clock_behind", "seconds": 300})
    live(river, "behind")
    assert lab.fired() == {"clock_behind": 1}
    assert_complete(river, Span(TODAY_MS, closed_ms() - MINUTES_MS))
    lab.lift()
    assert live(river, "right") == {"BTCUSDT": 10}
    assert_complete(river, Span(TODAY_MS, closed_ms()))


@pytest.mark.parametrize("seconds", [120, 300])
def test_r39_a_clock_that_is_ahead_makes_no_open_candle_final(
    lab: Lab, river: River, seconds: int
) -> None:
    river.sync()
    lab.break_things({"fault": "clock_ahead", "seconds": seconds})
    live(river, "ahead")
    assert lab.fired() == {"clock_ahead": 1}
    assert_honest(river)
    lab.lift()
    live(river, "right")
    assert_complete(river, Span(TODAY_MS, closed_ms()))


@pytest.mark.parametrize("venue", ["spot", "usdm"])
def test_r39_candles_in_another_unit_are_another_format(
    lab: Lab, open_river: Open, venue: str
) -> None:
    river = river_of(lab, open_river, venue)
    river.sync()
    for fault in ("microseconds", "seconds"):
        lab.break_things(on_pages(fault, venue=venue))
        with pytest.raises(ContractError, match="epoch milliseconds"):
            run_through(river, run_id="lasting")
        assert lab.fired() == {fault: 1}
        lab.lift()
    assert count(river, "ledger.landing") == 0
    run_through(river, run_id="passed")
    assert_complete(river)


@pytest.mark.parametrize("fault", ["microseconds", "seconds"])
def test_r39_a_file_in_seconds_is_refused_and_one_in_microseconds_is_read(
    lab: Lab, open_river: Open, fault: str
) -> None:
    """The archive itself changed from milliseconds to microseconds, so both units are known."""
    river = open_river(with_archive=True)
    river.sync()
    lab.break_things(on_pages(fault, venue="archive", span=YESTERDAY))
    if fault == "seconds":
        with pytest.raises(ContractError, match="nothing of it is stored"):
            river.backfill(YESTERDAY, run_id="lasting")
        assert count(river, "ledger.landing") == 0
        lab.lift()
    run_through(river, YESTERDAY, run_id="passed")
    assert_complete(river, YESTERDAY)


@pytest.mark.parametrize("venue", ["spot", "usdm"])
def test_r39_a_server_time_in_another_unit_is_not_believed(
    lab: Lab, open_river: Open, venue: str
) -> None:
    river = river_of(lab, open_river, venue)
    river.sync()
    tasks = (partial(river.fetch, run_id="one"), partial(river.backfill, NIGHT, run_id="one"))
    for fault in ("microseconds", "seconds"):
        lab.break_things({"fault": fault, "route": "*/time"})
        lab.forget()
        for task in tasks:
            with pytest.raises(ContractError, match=r"serverTime.*epoch milliseconds"):
                task()
        assert len(lab.hits()) == 2
        lab.lift()
    assert count(river, "ledger.landing") == 0


def test_r39_a_server_time_in_another_unit_is_not_believed_through_ccxt(lab: Lab) -> None:
    governor = LocalGovernor(RateLimit("ccxt:binance", 10**9))
    with closing(CcxtSource("binance", governor=governor, base_url=lab.url)) as source:
        lab.break_things({"fault": "microseconds", "route": "*/time"})
        with pytest.raises(ContractError, match="epoch milliseconds"):
            source.server_time_ms()


@pytest.mark.parametrize("rule", SHIFTS, ids=NAMES)
def test_r40_shifted_times_never_become_candles(
    lab: Lab, river: River, rule: dict[str, Any]
) -> None:
    """A declared error, or rows that wait; never a wrong candle. In history and at its end."""
    river.sync()
    lab.break_things({**rule, "route": "/api/v3/klines", "from_ms": NIGHT.start_ms})
    for page_limit in (120, 1000):
        troubled(shorten_pages(river, page_limit), NIGHT)
    assert count(river, "market.candle_1m") == 0
    lab.lift()
    run_through(river, run_id="passed")
    assert_complete(river)
    lab.break_things({**rule, "route": "/api/v3/klines"})
    with suppress(CandlewickError):
        river.fetch(run_id="lasting")
    settle(river, run_id="lasting")
    assert count(river, "market.candle_1m") == 480
    assert_honest(river)
    lab.lift()
    live(river, "passed")
    assert_complete(river, Span(TODAY_MS, closed_ms()))


@pytest.mark.parametrize("rule", SHIFTS, ids=NAMES)
def test_r40_shifted_times_of_a_file_never_become_candles(
    lab: Lab, open_river: Open, rule: dict[str, Any]
) -> None:
    river = open_river(with_archive=True)
    assert river.archive is not None
    river.archive._sleep = lambda _: None
    river.settings = replace(river.settings, page_limit=1000)
    river.sync()
    lab.break_things(on_pages(**rule, venue="archive", span=YESTERDAY))
    troubled(river, YESTERDAY)
    assert_honest(river)
    lab.lift()
    run_through(river, YESTERDAY, run_id="passed")
    assert_complete(river, YESTERDAY)


def troubled(river: River, span: Span) -> None:
    """Run through trouble that may end in an error or in rows that are held or refused."""
    run_id = f"lasting-{river.settings.page_limit}"
    with suppress(CandlewickError):
        river.backfill(span, run_id=run_id)
    settle(river, run_id=run_id)
