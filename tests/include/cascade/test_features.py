"""Features against a plain reading of their definitions, and what must hold of any of them."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.cascade.bars import Stretch, gather_bars
from include.cascade.features import (
    FEATURES,
    WINDOW_BARS,
    FeatureRows,
    derive_features,
    look_back_ms,
    needed_span,
    reached_span,
    require_derivable,
)
from include.cascade.series import SeriesCandles
from include.cascade.units import UnitChange
from include.market.errors import InvalidInputError
from include.market.span import Span, subtract_spans
from include.market.timeframe import H4, M1, M5, M30, Timeframe
from tests.include.cascade.naive_features import MINUTE_MS, NaiveFeatures, join, series_of

START_MS = 1_709_164_800_000  # 2024-02-29, midnight UTC
BARS = 70
SPAN = Span(START_MS - WINDOW_BARS * M5.length_ms, START_MS + BARS * M5.length_ms)
WANTED = Span(START_MS, SPAN.end_ms)


def market(seed: int, *, share: float = 0.9, span: Span = SPAN) -> dict[int, dict[str, float]]:
    """Return a walk of minutes of which ``share`` is there, some without trades or volumes."""
    draw, price = random.Random(seed), 100.0
    minutes = {}
    for at in range(span.start_ms, span.end_ms, MINUTE_MS):
        opened = price
        price *= math.exp(draw.gauss(0, 1e-3))
        high, low = (
            max(opened, price) * math.exp(abs(draw.gauss(0, 5e-4))),
            min(opened, price) * math.exp(-abs(draw.gauss(0, 5e-4))),
        )
        volume = 0.0 if draw.random() < 0.2 else round(draw.expovariate(0.1), 3)
        row = {"open": opened, "high": high, "low": low, "close": price, "volume": volume}
        row["quote_volume"] = volume * math.sqrt(high * low)
        row["taker_buy_volume"] = volume * draw.random()
        if draw.random() < 0.01:
            del row["quote_volume"]
        if draw.random() < share:
            minutes[at] = row
    return minutes


def derive(
    minutes: dict[int, dict[str, float]],
    *,
    wanted: Span = WANTED,
    covered: tuple[Span, ...] = (SPAN,),
    changes: tuple[UnitChange, ...] = (),
    timeframe: Timeframe = M5,
) -> FeatureRows:
    return derive_features(series_of(minutes), timeframe, [Stretch(1, wanted, covered, changes)])


def by_bar(rows: FeatureRows) -> dict[int, dict[str, float]]:
    return {
        int(at) // 1000: {name: float(rows.columns[name][place]) for name in FEATURES}
        for place, at in enumerate(rows.open_us)
    }


def exactly(rows: FeatureRows) -> dict[tuple[int, int], tuple[bytes, ...]]:
    """Return every value as its bits."""
    return {
        (int(rows.owners[place]), int(at)): tuple(
            rows.columns[name][place : place + 1].tobytes() for name in FEATURES
        )
        for place, at in enumerate(rows.open_us)
    }


holes = st.lists(
    st.tuples(st.integers(0, SPAN.end_ms - SPAN.start_ms), st.integers(1, 90)), max_size=3
)
unit_changes = st.lists(
    st.tuples(
        st.one_of(
            st.integers(0, BARS - 1).map(lambda bar: bar * M5.length_ms),
            st.integers(-30 * M5.length_ms, BARS * M5.length_ms),
        ),
        st.sampled_from([1.0, 1000.0, 0.01, 3.7]),
    ),
    max_size=2,
)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), share=st.sampled_from([1.0, 0.9, 0.3]), gaps=holes,
       unproven=holes, units=unit_changes)  # fmt: skip
def test_every_value_is_what_its_definition_says(
    seed: int, share: float, gaps: Any, unproven: Any, units: Any
) -> None:
    minutes = market(seed, share=share)
    for start, length in gaps:
        first = SPAN.start_ms + start - start % MINUTE_MS
        for at in range(first, first + length * MINUTE_MS, MINUTE_MS):
            minutes.pop(at, None)
    covered = tuple(
        subtract_spans(
            SPAN,
            [
                Span(SPAN.start_ms + start, SPAN.start_ms + start + length * MINUTE_MS)
                for start, length in unproven
            ],
        )
    )
    changes = tuple(UnitChange(START_MS + at, factor) for at, factor in units)
    plain = NaiveFeatures(minutes, M5, covered, changes)
    wanted = {
        bar: plain.of_bar(bar)
        for bar in range(WANTED.start_ms, WANTED.end_ms, M5.length_ms)
        if plain.is_present(bar)
    }
    found = by_bar(derive(minutes, covered=covered, changes=changes))
    assert found.keys() == wanted.keys()
    for bar, features in wanted.items():
        for name in FEATURES:
            value = features.get(name, math.nan)
            assert found[bar][name] == pytest.approx(value, rel=1e-9, abs=1e-14, nan_ok=True), (
                bar, name,
            )  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), first=st.integers(0, BARS - 1), bars=st.integers(1, 20))
def test_what_lies_outside_its_reach_changes_no_bit(seed: int, first: int, bars: int) -> None:
    whole = derive(market(seed))
    wanted = Span(START_MS + first * M5.length_ms,
                  START_MS + min(BARS, first + bars) * M5.length_ms)  # fmt: skip
    needed = needed_span(wanted, M5)
    disturbed = {
        at: row if needed.start_ms <= at < needed.end_ms else {**row, "close": 7.0, "high": 900.0}
        for at, row in market(seed).items()
    }
    alone = {at: row for at, row in disturbed.items() if needed.start_ms <= at < needed.end_ms}
    expected = {
        key: bits for key, bits in exactly(whole).items()
        if wanted.start_ms * 1000 <= key[1] < wanted.end_ms * 1000
    }  # fmt: skip
    assert exactly(derive(disturbed, wanted=wanted)) == expected
    assert exactly(derive(alone, wanted=wanted)) == expected


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), cut=st.integers(5, BARS * 5 - 1))
def test_no_value_looks_ahead(seed: int, cut: int) -> None:
    """Whatever the future brings, what was known before it stays to the last bit."""
    cut_ms = START_MS + cut * MINUTE_MS
    past = {at: row for at, row in market(seed).items() if at < cut_ms}
    future = {at: {**row, "close": row["low"], "volume": 1e6} for at, row in market(seed).items()}
    known_ms = M5.floor_ms(cut_ms)
    before = exactly(derive(past, covered=(Span(SPAN.start_ms, cut_ms),)))
    after = exactly(derive(future | past, changes=(UnitChange(known_ms, 1000.0),)))
    assert {key for key in after if key[1] < known_ms * 1000} == before.keys()
    assert all(after[key] == bits for key, bits in before.items())


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), place=st.integers(0, (BARS - 1) * 5), length=st.integers(1, 30))
def test_a_change_reaches_no_further_than_told(seed: int, place: int, length: int) -> None:
    minutes = market(seed)
    before = exactly(derive(minutes))
    changed = Span(START_MS + place * MINUTE_MS, START_MS + (place + length) * MINUTE_MS)
    for at in range(changed.start_ms, changed.end_ms, MINUTE_MS):
        if at in minutes:
            minutes[at] = {name: value * 1.5 for name, value in minutes[at].items()}
    after = exactly(derive(minutes))
    reach = reached_span(changed, M5)
    touched = {key[1] // 1000 for key in before if after[key] != before[key]}
    assert all(reach.start_ms <= at < reach.end_ms for at in touched)


def test_the_reach_is_no_further_than_it_must_be() -> None:
    span = Span(SPAN.start_ms, START_MS + 130 * M5.length_ms)
    minutes = market(3, share=1.0, span=span)
    wanted = Span(START_MS, span.end_ms)
    before = exactly(derive(minutes, wanted=wanted, covered=(span,)))
    last = START_MS + 14 * MINUTE_MS
    minutes[last] = {**minutes[last], "close": minutes[last]["close"] * 1.0001}
    after = exactly(derive(minutes, wanted=wanted, covered=(span,)))
    touched = {key[1] // 1000 for key in before if after[key] != before[key]}
    reach = reached_span(Span(last, last + MINUTE_MS), M5)
    assert (min(touched), max(touched) + M5.length_ms) == (reach.start_ms, reach.end_ms)


@pytest.mark.parametrize("timeframe", [M5, M30, H4])
def test_many_stretches_at_once_are_each_what_it_is_alone(timeframe: Timeframe) -> None:
    length = timeframe.length_ms
    span = Span(START_MS, START_MS + (WINDOW_BARS + 12) * length)
    markets = {owner: market(owner, share=0.8, span=span) for owner in (1, 2, 5)}
    together = join(*(series_of(minutes, owner) for owner, minutes in markets.items()))
    stretches = [
        Stretch(owner, Span(START_MS + (WINDOW_BARS + owner) * length, span.end_ms), [span])
        for owner in markets
    ]
    found = exactly(derive_features(together, timeframe, stretches))
    alone: dict[Any, Any] = {}
    for stretch in stretches:
        minutes = series_of(markets[stretch.owner], stretch.owner)
        alone |= exactly(derive_features(minutes, timeframe, [stretch]))
    assert found == alone
    assert len(found) == 11 + 10 + 7


def test_a_stretch_does_not_look_into_the_one_before_it() -> None:
    """Stretches lie side by side in memory: nothing of the first may leak into the second."""
    full = market(1, share=1.0)
    thin = {at: row for at, row in market(2, share=1.0).items() if at >= START_MS}
    minutes = join(series_of(full, 1), series_of(thin, 2))
    rows = derive_features(minutes, M5, [Stretch(1, WANTED, [SPAN]), Stretch(2, WANTED, [SPAN])])
    first = next(place for place in range(len(rows)) if rows.owners[place] == 2)
    assert math.isnan(rows.columns["log_return"][first])
    assert math.isnan(rows.columns["bars_since_previous"][first])
    assert rows.columns["window_bars"][first] == 1


def test_a_minute_is_not_held_against_that_of_another_instrument() -> None:
    """Side by side in memory the last minute of one precedes the first of the next."""
    bar = Span(START_MS, START_MS + M5.length_ms)
    minutes = {owner: market(owner, share=1.0, span=bar) for owner in (1, 2)}
    minutes[2][START_MS]["open"] = 50.0
    together = join(*(series_of(found, owner) for owner, found in minutes.items()))
    bars = gather_bars(together, M5, [Stretch(owner, bar, [bar]) for owner in minutes], 0)
    close = minutes[2][START_MS]["close"]
    assert bars.minute_returns[0, 1] == pytest.approx(math.log(close / 50.0))


def test_nothing_wanted_gives_nothing() -> None:
    nothing = series_of({})
    assert len(derive_features(nothing, M5, [])) == 0
    assert len(derive_features(nothing, M5, [Stretch(1, WANTED, [SPAN])])) == 0
    empty = Span(START_MS, START_MS)
    assert len(derive_features(series_of(market(1)), M5, [Stretch(1, empty, [SPAN])])) == 0


def test_a_redenomination_is_no_return() -> None:
    minutes = market(4, share=1.0)
    at_ms = START_MS + 60 * M5.length_ms
    redenominated = {
        at: row if at < at_ms else {
            name: value * (1000 if name in ("open", "high", "low", "close") else 1e-3)
            if name != "quote_volume" else value
            for name, value in row.items()
        }
        for at, row in minutes.items()
    }  # fmt: skip
    plain = by_bar(derive(minutes))
    found = by_bar(derive(redenominated, changes=(UnitChange(at_ms, 1000.0),)))
    assert found.keys() == plain.keys()
    for bar, features in found.items():
        for name in ("log_return", "open_return", "realised_variance", "window_return",
                     "window_volatility"):  # fmt: skip
            assert features[name] == pytest.approx(plain[bar][name], rel=1e-9, abs=1e-14)
    assert math.isnan(found[at_ms]["window_vwap"])
    blind = by_bar(derive(redenominated))
    assert blind[at_ms]["log_return"] > 6


def test_volumes_that_contradict_the_prices_give_no_average() -> None:
    minutes = market(5, share=1.0)
    wrong = {at: {**row, "quote_volume": row["volume"] * 1.0} for at, row in minutes.items()
             if "quote_volume" in row}  # fmt: skip
    assert np.isnan(derive(wrong).columns["vwap"]).all()
    assert not np.isnan(derive(minutes).columns["vwap"]).all()


@pytest.mark.parametrize("label_and_length", [("1m", 1), ("7m", 7), ("2d", 2880)])
def test_only_bars_that_fill_a_day_are_derived(label_and_length: tuple[str, int]) -> None:
    label, length = label_and_length
    timeframe = M1 if label == "1m" else Timeframe(length * MINUTE_MS, label)
    with pytest.raises(InvalidInputError, match="choose timeframes coarser than 1m"):
        require_derivable(timeframe)


def test_what_is_needed_and_what_is_reached_mirror_each_other() -> None:
    bar = Span(START_MS, START_MS + M30.length_ms)
    assert needed_span(bar, M30) == Span(START_MS - look_back_ms(M30), bar.end_ms)
    assert reached_span(Span(START_MS + 1, START_MS + 2), M30) == Span(
        START_MS, bar.end_ms + look_back_ms(M30)
    )
    assert not reached_span(Span(START_MS, START_MS), M30)


def test_a_series_may_reach_back_before_1970() -> None:
    span = Span(-100 * M5.length_ms, 20 * M5.length_ms)
    rows = derive_features(
        series_of(market(6, share=1.0, span=span)), M5,
        [Stretch(1, Span(-20 * M5.length_ms, 20 * M5.length_ms), [span])],
    )  # fmt: skip
    assert isinstance(rows, FeatureRows)
    assert rows.open_us[0] == -20 * M5.length_ms * 1000
    assert not np.isnan(rows.columns["log_return"]).any()


def test_the_arrays_are_left_as_they_were() -> None:
    series: SeriesCandles = series_of(market(7))
    before = {name: column.copy() for name, column in series.cells.items()}
    derive_features(series, M5, [Stretch(1, WANTED, [SPAN])])
    for name, column in series.cells.items():
        np.testing.assert_array_equal(column, before[name])
