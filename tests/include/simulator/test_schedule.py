from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from include.market.span import Span
from include.market.timeframe import DAY_MS
from include.simulator.interval import MINUTE_MS
from include.simulator.schedule import VenueSchedule

DECADE = Span(17_400 * DAY_MS, 21_050 * DAY_MS)


def test_outages_are_rare_whole_minutes_and_apart() -> None:
    outages = VenueSchedule(3).outages(DECADE)
    assert 15 <= len(outages) <= 50
    for outage, following in pairwise(outages):
        assert outage.end_ms < following.start_ms
    for outage in outages:
        assert outage.start_ms % MINUTE_MS == outage.end_ms % MINUTE_MS == 0
        assert 5 * MINUTE_MS <= outage.end_ms - outage.start_ms <= 9 * 60 * MINUTE_MS


@pytest.mark.parametrize("days", [1, 7, 100])
def test_any_window_tells_the_same_outages_and_regimes(days: int) -> None:
    schedule = VenueSchedule(3, 40.0)
    whole = Span(20_000 * DAY_MS, 20_200 * DAY_MS)
    windows = [
        Span(day * DAY_MS, min(day + days, 20_200) * DAY_MS) for day in range(20_000, 20_200, days)
    ]
    outages = {outage for window in windows for outage in schedule.outages(window)}
    assert sorted(outages) == schedule.outages(whole)
    assert len(outages) > 10
    regimes = {regime.span: regime for window in windows for regime in schedule.regimes(window)}
    assert [regimes[span] for span in sorted(regimes)] == schedule.regimes(whole)


def test_regimes_cover_all_time_and_change_their_name() -> None:
    regimes = VenueSchedule(5).regimes(DECADE)
    assert regimes[0].span.start_ms <= DECADE.start_ms
    assert regimes[-1].span.end_ms >= DECADE.end_ms
    for regime, following in pairwise(regimes):
        assert regime.span.end_ms == following.span.start_ms
        assert regime.name != following.name
    assert {regime.name for regime in regimes} == {"calm", "normal", "storm"}


def test_volatility_follows_the_regimes() -> None:
    schedule = VenueSchedule(5)
    span = Span(20_000 * DAY_MS, 20_040 * DAY_MS)
    changes = [regime.span.start_ms for regime in schedule.regimes(span)[1:]]
    grid = range(span.start_ms, span.end_ms, 3_600_000)
    times = np.array(sorted({*grid, *changes}), dtype=np.int64)
    expected = [
        next(r.volatility_factor for r in schedule.regimes(Span(t, t + 1))) for t in times.tolist()
    ]
    assert schedule.volatility(times).tolist() == expected


def test_no_outages_can_be_wished() -> None:
    assert VenueSchedule(3, 0.0).outages(DECADE) == []
