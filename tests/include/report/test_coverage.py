"""The map of coverage counts every candle once, under the state its minutes give it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.market.errors import InvalidInputError
from include.market.span import Span, to_ms
from include.market.timeframe import D1, DAY_MS, H4, M1, M5, M30, MO1, W1, Timeframe
from include.report.coverage import (
    CODES,
    STATES,
    CoverageMap,
    Series,
    count_states,
    map_coverage,
    share_of,
)

MONDAY = date(2024, 1, 29)
START_MS = to_ms(datetime(2024, 1, 29, tzinfo=UTC))
MINUTE_MS = 60_000
FRAMES = (M1, M5, M30, H4, D1, W1, MO1)


def minutes(first: float, last: float) -> Span:
    return Span(START_MS + round(first * MINUTE_MS), START_MS + round(last * MINUTE_MS))


def series(
    states: Mapping[str, Sequence[Span]],
    built: Sequence[Span] = (),
    *,
    symbol: str = "BTCUSDT",
    number: int = 1,
) -> Series:
    return Series(
        instrument_id=number,
        venue="binance_spot",
        symbol=symbol,
        states=states,
        built={frame.label: built for frame in FRAMES},
    )


def draw(*rows: Series, days: float = 1, frames: Sequence[Timeframe] = FRAMES) -> CoverageMap:
    at = datetime(2024, 1, 29, tzinfo=UTC) + timedelta(days=days)
    return map_coverage(rows, frames, first_day=MONDAY, at=at)


def told(found: CoverageMap, label: str, day: int = 0, row: int = 0) -> dict[str, int]:
    return count_states(found.counts[label][row, day])


def test_the_worse_state_has_the_greater_code_and_every_state_a_name() -> None:
    kinds = [state.kind for state in STATES]
    ranks = {"stored": 0, "explained": 1, "pending": 2, "unexplained": 3}
    assert [ranks[kind] for kind in kinds] == sorted(ranks[kind] for kind in kinds)
    assert len(CODES) == len(STATES)


def test_a_whole_day_is_whole_at_every_resolution() -> None:
    day = minutes(0, 1440)
    found = draw(series({"present": [day]}, [day]))
    counted = {label: told(found, label) for label in ("1m", "5m", "30m", "4h", "1d")}
    assert counted == {
        "1m": {"present": 1440},
        "5m": {"present": 288},
        "30m": {"present": 48},
        "4h": {"present": 6},
        "1d": {"present": 1},
    }


def test_an_outage_leaves_whole_partial_and_absent_candles() -> None:
    present = [minutes(0, 58), minutes(71, 1440)]
    found = draw(series({"present": present, "outage": [minutes(58, 71)]}, [minutes(0, 1440)]))
    assert told(found, "1m") == {"present": 1427, "outage": 13}
    # 55 to 60 and 70 to 75 lack a few minutes, 60 to 65 and 65 to 70 have none.
    assert told(found, "5m") == {"present": 284, "partial": 2, "outage": 2}
    assert told(found, "30m") == {"present": 46, "partial": 2}
    assert told(found, "4h") == {"present": 5, "partial": 1}


def test_what_nobody_explains_is_no_candle_built_from_fewer() -> None:
    states = {"present": [minutes(0, 7), minutes(8, 1440)], "unknown": [minutes(7, 8)]}
    found = draw(series(states, [minutes(0, 1440)]))
    assert told(found, "5m") == {"present": 287, "unknown": 1}
    assert told(found, "4h") == {"present": 5, "unknown": 1}


def test_what_the_cascade_has_not_come_to_is_not_built() -> None:
    found = draw(series({"present": [minutes(0, 1440)]}, [minutes(0, 720)]))
    assert told(found, "1m") == {"present": 1440}
    assert told(found, "5m") == {"present": 144, "not_built": 144}
    assert told(found, "4h") == {"present": 3, "not_built": 3}


def test_nothing_to_build_from_is_no_debt_of_the_cascade() -> None:
    states = {"pre_listing": [minutes(0, 720)], "present": [minutes(720, 1440)]}
    found = draw(series(states, [minutes(720, 1440)]))
    assert told(found, "5m") == {"pre_listing": 144, "present": 144}


def test_candles_that_are_not_over_are_not_counted() -> None:
    found = draw(series({"present": [minutes(0, 500)]}, [minutes(0, 500)]), days=500.5 / 1440)
    assert found.days == 1
    assert told(found, "1m") == {"present": 500}
    assert told(found, "5m") == {"present": 100}
    assert told(found, "4h") == {"present": 2}
    assert told(found, "1d") == {}


def test_weeks_and_months_show_on_each_of_their_days() -> None:
    # 29 January 2024 is a Monday; February begins on the Thursday, the map ends on a Monday.
    states = {"present": [minutes(0, 14 * 1440)], "unknown": [minutes(9 * 1440, 9 * 1440 + 1)]}
    found = draw(series(states, [minutes(0, 14 * 1440)]), days=15)
    weeks = [told(found, "1w", day) for day in range(15)]
    assert weeks[:7] == [{"present": 1}] * 7
    assert weeks[7:14] == [{"unknown": 1}] * 7
    assert weeks[14] == {}
    months = [told(found, "1M", day) for day in range(15)]
    assert months == [{"present": 1}] * 3 + [{}] * 12


def test_minutes_nobody_speaks_of_were_never_asked_for() -> None:
    found = draw(series({"present": [minutes(0, 60)]}), days=2)
    assert told(found, "1m") == {"present": 60, "not_loaded": 1380}
    assert told(found, "1m", day=1) == {"not_loaded": 1440}
    assert told(found, "5m", day=1) == {"not_loaded": 288}


def test_a_reason_this_version_does_not_know_is_shown_as_unexplained() -> None:
    found = draw(series({"eaten_by_mice": [minutes(0, 1440)]}))
    assert told(found, "1m") == {"unknown": 1440}


def test_a_minute_belongs_to_the_span_its_first_instant_lies_in() -> None:
    states = {"pre_listing": [minutes(0, 0.5)], "present": [minutes(0.5, 1440)]}
    assert told(draw(series(states)), "1m") == {"pre_listing": 1, "present": 1439}
    late = series({"present": [minutes(0.5, 1440)]})
    assert told(draw(late), "1m") == {"not_loaded": 1, "present": 1439}


def test_rows_stand_in_order_and_those_never_listed_then_are_left_out() -> None:
    day = minutes(0, 1440)
    found = draw(
        series({"present": [day]}, symbol="ETHUSDT", number=1),
        series({"pre_listing": [day]}, symbol="NEWUSDT", number=2),
        series({"outage": [day]}, symbol="BTCUSDT", number=3),
        series(
            {"delisted": [minutes(0, 9)], "present": [minutes(9, 1440)]}, symbol="OLD", number=4
        ),
    )
    assert [row.symbol for row in found.rows] == ["BTCUSDT", "ETHUSDT", "OLD"]
    assert [row.instrument_id for row in found.rows] == [3, 1, 4]
    assert found.counts["1m"].shape == (3, 1, len(STATES))


def test_a_map_without_rows_has_its_shape() -> None:
    found = draw(days=3)
    assert found.rows == ()
    assert found.counts["4h"].shape == (0, 3, len(STATES))
    assert [found.day(place) for place in (0, 2)] == [MONDAY, date(2024, 1, 31)]


def test_shares_leave_out_what_lies_outside_the_life() -> None:
    states = {
        "pre_listing": [minutes(0, 720)],
        "present": [minutes(720, 1260)],
        "outage": [minutes(1260, 1404)],
        "unknown": [minutes(1404, 1440)],
    }
    counts = draw(series(states)).counts["1m"]
    shares = {kind: share_of(counts, kind)[0, 0] for kind in ("stored", "explained", "unexplained")}
    assert shares == {"stored": 0.75, "explained": 0.2, "unexplained": 0.05}
    assert share_of(np.zeros((1, 1, len(STATES)), dtype=np.int32), "stored").tolist() == [[0.0]]


def test_a_map_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="before 2024-01-29"):
        draw(days=-1)


def naive(
    states: Mapping[str, Sequence[Span]], built: Sequence[Span], frame: Timeframe, at: int
) -> Counter[str]:
    """Judge every candle of the two days on its own, minute by minute."""

    def state_of(instant: int) -> str:
        holding = [
            name
            for name, spans in states.items()
            for span in spans
            if span.start_ms <= instant < span.end_ms
        ]
        return max(holding, key=CODES.__getitem__, default="not_loaded")

    counted: Counter[str] = Counter()
    for open_ms in range(START_MS, START_MS + 2 * DAY_MS, frame.length_ms):
        if open_ms + frame.length_ms > at:
            continue
        found = [
            state_of(instant) for instant in range(open_ms, open_ms + frame.length_ms, MINUTE_MS)
        ]
        worst = max(found, key=CODES.__getitem__)
        if frame == M1 or CODES[worst] >= CODES["not_built"] or "present" not in found:
            counted[worst] += 1
        elif not any(
            b.start_ms <= open_ms and open_ms + frame.length_ms <= b.end_ms for b in built
        ):
            counted["not_built"] += 1
        else:
            counted["present" if set(found) == {"present"} else "partial"] += 1
    return counted


EDGES = st.lists(st.integers(0, 96), unique=True, min_size=2, max_size=10).map(sorted)


@settings(max_examples=60)
@given(
    edges=EDGES,
    names=st.lists(
        st.sampled_from(sorted(CODES.keys() - {"partial", "not_built"})), min_size=9, max_size=9
    ),
    built=EDGES,
    at=st.integers(1, 2 * 1440),
)
def test_every_candle_is_judged_as_one_by_one(
    edges: list[int], names: list[str], built: list[int], at: int
) -> None:
    states: dict[str, list[Span]] = {}
    # Edges every half hour and a bit, so that they fall inside candles of every length.
    for name, first, last in zip(names, edges, edges[1:], strict=False):
        states.setdefault(name, []).append(minutes(first * 30 + first % 7, last * 30 + last % 7))
    spans = [minutes(built[0] * 30, built[-1] * 30)]
    found = draw(series(states, spans), days=at / 1440, frames=(M1, M5, H4, D1))
    if not found.rows:
        return
    for frame in (M1, M5, H4, D1):
        counted = count_states(found.counts[frame.label])
        assert counted == naive(states, spans, frame, START_MS + at * MINUTE_MS), frame.label
    whole = found.counts["1m"].sum(axis=-1).ravel()
    assert np.array_equal(whole, [min(at, 1440), at - 1440][: found.days])
