"""The gain over a session, from its minutes alone."""

from __future__ import annotations

import math

import pytest

from include.cascade.sessions import Session, SessionReturn, session_returns
from include.cascade.units import UnitChange
from include.market.errors import InvalidInputError
from include.market.span import Span
from tests.include.cascade.naive_features import MINUTE_MS, join, series_of

START_MS = 1_709_164_800_000
DAY = Span(START_MS, START_MS + 10 * MINUTE_MS)
MINUTES = {
    START_MS + place * MINUTE_MS: {
        "open": 100.0 + place, "high": 102.0 + place, "low": 99.0 + place,
        "close": 101.0 + place, "volume": 2.0, "quote_volume": 2 * (100.5 + place),
    }
    for place in range(-1, 11)
}  # fmt: skip


def gain(minutes: dict[int, dict[str, float]], *changes: UnitChange) -> SessionReturn:
    [found] = session_returns(series_of(minutes), [Session(1, 7, DAY, [DAY], changes)])
    return found


def test_a_session_is_its_minutes_and_no_others() -> None:
    found = gain(MINUTES)
    assert (found.owner, found.session_id) == (1, 7)
    assert (found.open_price, found.close_price) == (100.0, 110.0)
    assert found.log_return == math.log(1.1)
    assert (found.candles_present, found.candles_expected) == (10, 10)
    gains = [math.log(101 / 100)] + [math.log((101 + i) / (100 + i)) for i in range(1, 10)]
    assert found.realised_variance == pytest.approx(math.fsum(each**2 for each in gains))
    assert found.vwap == pytest.approx(105.0)


def test_a_session_that_is_not_proven_or_holds_nothing_has_no_gain() -> None:
    part = Span(DAY.start_ms, DAY.end_ms - 1)
    series = series_of(MINUTES)
    assert session_returns(series, [Session(1, 7, DAY, [part])]) == []
    assert session_returns(series, [Session(1, 7, DAY, [])]) == []
    later = Span(DAY.end_ms + MINUTE_MS, DAY.end_ms + 2 * MINUTE_MS)
    assert session_returns(series, [Session(1, 7, later, [later])]) == []
    assert session_returns(series, [Session(2, 7, DAY, [DAY])]) == []


def test_absent_minutes_are_counted() -> None:
    few = {at: row for at, row in MINUTES.items() if at % (2 * MINUTE_MS) == 0}
    found = gain(few)
    assert (found.candles_present, found.candles_expected) == (5, 10)
    assert found.close_price == 109.0


def test_many_sessions_at_once_are_each_what_it_is_alone() -> None:
    other = {at: {**row, "close": row["high"]} for at, row in MINUTES.items()}
    together = join(series_of(MINUTES, 1), series_of(other, 2))
    halves = [Span(START_MS, START_MS + 5 * MINUTE_MS), Span(START_MS + 5 * MINUTE_MS, DAY.end_ms)]
    sessions = [Session(owner, place, half, [DAY]) for owner in (1, 2)
                for place, half in enumerate(halves)]  # fmt: skip
    alone = [
        session_returns(series_of(MINUTES if one.owner == 1 else other, one.owner), [one])[0]
        for one in sessions
    ]
    assert session_returns(together, sessions) == alone


@pytest.mark.parametrize("absent", [False, True])
@pytest.mark.parametrize("offset_ms", [0, 1])
def test_a_redenomination_within_is_no_gain(offset_ms: int, absent: bool) -> None:
    at_ms = START_MS + 4 * MINUTE_MS + offset_ms
    minutes = {
        at: {name: value * 1000 if name in ("open", "high", "low", "close") else value
             for name, value in row.items()} if at + MINUTE_MS > at_ms else row
        for at, row in MINUTES.items()
    }  # fmt: skip
    if absent:
        del minutes[START_MS + 4 * MINUTE_MS]
    found = gain(minutes, UnitChange(at_ms, 1000.0))
    assert found.open_price == 100_000.0
    assert found.log_return == pytest.approx(math.log(1.1))
    assert found.realised_variance < 1e-2
    assert found.vwap is None
    assert gain(minutes).realised_variance > 40


def test_a_change_of_unit_between_sessions_changes_nothing_within() -> None:
    for at_ms in (DAY.start_ms, DAY.end_ms, DAY.start_ms - 1):
        assert gain(MINUTES, UnitChange(at_ms, 1000.0)) == gain(MINUTES)


@pytest.mark.parametrize("volume", [0.0, math.nan, 1e9])
def test_an_average_price_that_cannot_be_is_none(volume: float) -> None:
    assert gain({at: {**row, "volume": volume} for at, row in MINUTES.items()}).vwap is None


@pytest.mark.parametrize("factor", [0.0, -1.0, math.nan, math.inf])
def test_a_factor_is_a_number_above_zero(factor: float) -> None:
    with pytest.raises(InvalidInputError, match="factor"):
        UnitChange(START_MS, factor)
