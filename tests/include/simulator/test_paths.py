from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from include.market.span import Span
from include.market.timeframe import DAY_MS
from include.simulator.catalogue import list_symbols
from include.simulator.interval import MINUTE_MS
from include.simulator.market import Market
from include.simulator.paths import STEPS, Breakpoint, Floats, Path
from include.simulator.schedule import VenueSchedule

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "ETHBTC")
FIRST_DAY, LAST_DAY = 20_000, 20_014
SPAN = Span(FIRST_DAY * DAY_MS, LAST_DAY * DAY_MS)


@pytest.fixture(scope="module")
def market() -> Market:
    return Market(VenueSchedule(1), list_symbols(SYMBOLS).values())


@pytest.fixture(scope="module")
def minutes(market: Market) -> dict[str, Floats]:
    """Log prices at every minute of the span."""
    return {
        symbol: np.concatenate(
            [market.process(symbol).log_price(day)[:-1:12] for day in range(FIRST_DAY, LAST_DAY)]
        )
        for symbol in SYMBOLS
    }


def test_days_meet_at_midnight(market: Market) -> None:
    for symbol in SYMBOLS:
        process = market.process(symbol)
        for day in range(FIRST_DAY, FIRST_DAY + 5):
            assert process.log_price(day)[-1] == process.log_price(day + 1)[0]


def test_midnight_is_a_step_like_any_other() -> None:
    path = Path(1, "market", 1.0, schedule=VenueSchedule(1))
    days = [path.day(day).log_price for day in range(FIRST_DAY, FIRST_DAY + 60)]
    assert all(day[-1] == following[0] for day, following in pairwise(days))
    last = np.mean([abs(day[-1] - day[-2]) for day in days])
    usual = np.mean([np.abs(np.diff(day)).mean() for day in days])
    assert last < 3.0 * usual


def test_a_day_does_not_depend_on_what_was_asked_before() -> None:
    def fresh() -> Market:
        return Market(VenueSchedule(1), list_symbols(("ETHUSDT",)).values())

    alone = fresh().process("ETHUSDT").log_price(20_003)
    walked = fresh()
    for day in (20_007, 19_000, 20_002, 20_003):
        last = walked.process("ETHUSDT").log_price(day)
    assert np.array_equal(alone, last)
    other = Market(VenueSchedule(2), list_symbols(("ETHUSDT",)).values())
    assert not np.allclose(alone, other.process("ETHUSDT").log_price(20_003))


def test_the_trend_is_linear_between_breakpoints_and_bends_at_them(market: Market) -> None:
    process = market.process("SOLUSDT")
    points = process.breakpoints(SPAN)
    assert len(points) >= 3 * (LAST_DAY - FIRST_DAY)
    hour = 3_600_000
    for point, following in pairwise(points):
        assert point.time_ms % MINUTE_MS == 0
        assert point.slope_after == pytest.approx(following.slope_before)
        assert abs(point.slope_after - point.slope_before) > 1e-7
        inner = np.linspace(point.time_ms, following.time_ms, 9).astype(np.int64)
        line = point.log_price + point.slope_after * (inner - point.time_ms) / hour
        assert process.trend(inner) == pytest.approx(line, abs=1e-9)


def test_breakpoints_do_not_depend_on_the_window(market: Market) -> None:
    process = market.process("ETHBTC")
    halves = [Span(SPAN.start_ms, SPAN.start_ms + 5 * DAY_MS + 12_345)]
    halves.append(Span(halves[0].end_ms, SPAN.end_ms))
    joined = [point for half in halves for point in process.breakpoints(half)]
    whole = process.breakpoints(SPAN)
    assert [point.time_ms for point in joined] == [point.time_ms for point in whole]
    for left, right in zip(joined, whole, strict=True):
        assert left.slope_before == pytest.approx(right.slope_before)
        assert left.slope_after == pytest.approx(right.slope_after)


def _line_errors(prices: Floats, knots: list[int]) -> float:
    """Sum of squares left by straight lines fitted between neighbouring knots (in minutes)."""
    left = 0.0
    for start, end in pairwise(knots):
        grid = np.arange(end - start)
        fit = np.polyval(np.polyfit(grid, prices[start:end], 1), grid)
        left += float(((prices[start:end] - fit) ** 2).sum())
    return left


def _as_minutes(points: list[Breakpoint]) -> list[int]:
    return [(point.time_ms - SPAN.start_ms) // MINUTE_MS for point in points]


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT", "SOLUSDT"])
def test_prices_bend_where_the_truth_says(
    market: Market, minutes: dict[str, Floats], symbol: str
) -> None:
    knots = _as_minutes(market.process(symbol).breakpoints(SPAN))
    truth = _line_errors(minutes[symbol], knots)
    ends = knots[0], knots[-1]
    for shift in (-90, 90):
        moved = [ends[0], *(min(max(k + shift, ends[0] + 2), ends[1] - 2) for k in knots[1:-1])]
        wrong = sorted({*moved, ends[1]})
        assert _line_errors(minutes[symbol], wrong) > 1.2 * truth
    equal = np.linspace(*ends, len(knots)).astype(int).tolist()
    assert _line_errors(minutes[symbol], equal) > 1.2 * truth


def test_slopes_seen_in_prices_are_those_of_the_truth(
    market: Market, minutes: dict[str, Floats]
) -> None:
    points = market.process("BTCUSDT").breakpoints(SPAN)
    knots = _as_minutes(points)
    seen = [
        np.polyfit(np.arange(end - start) / 60.0, minutes["BTCUSDT"][start:end], 1)[0]
        for start, end in pairwise(knots)
    ]
    true = [point.slope_after for point in points[:-1]]
    assert np.corrcoef(seen, true)[0, 1] > 0.9


def test_returns_have_heavy_tails_and_clustered_volatility(minutes: dict[str, Floats]) -> None:
    for symbol in SYMBOLS:
        returns = np.diff(minutes[symbol])
        scaled = (returns - returns.mean()) / returns.std()
        assert (scaled**4).mean() > 5.0
        size = np.abs(scaled)
        assert np.corrcoef(size[:-30], size[30:])[0, 1] > 0.05
        assert 1e-4 < returns.std() < 3e-3


def test_instruments_move_together(minutes: dict[str, Floats]) -> None:
    returns = [np.diff(minutes[symbol]) for symbol in ("BTCUSDT", "ETHUSDT", "SOLUSDT")]
    correlations = np.corrcoef(returns)
    assert correlations.min() > 0.25


def test_a_cross_rate_is_the_quotient_of_its_legs(minutes: dict[str, Floats]) -> None:
    assert minutes["ETHBTC"] == pytest.approx(minutes["ETHUSDT"] - minutes["BTCUSDT"], abs=1e-9)


def test_levels_stay_realistic_for_a_decade(market: Market) -> None:
    process = market.process("BTCUSDT")
    levels = [process.log_price(day)[STEPS // 2] for day in range(17_400, 21_000, 90)]
    assert np.exp(min(levels)) > 5_000
    assert np.exp(max(levels)) < 800_000
    assert np.std(levels) > 0.1
