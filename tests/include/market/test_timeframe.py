import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.market.errors import InvalidInputError
from include.market.span import from_ms, to_ms
from include.market.timeframe import (
    CASCADE,
    CHAIN,
    D1,
    DAY_MS,
    H4,
    M1,
    M5,
    M30,
    MO1,
    MOST_CHILDREN,
    TIMEFRAMES,
    W1,
    Timeframe,
    arrows_of,
    parse_chain,
    parse_timeframe,
    timeframe_of,
)

ROOT = Path(__file__).parents[3]
# Every length that divides a day into whole minutes, as people write it, and the calendar's own.
DIVISORS = [
    parse_timeframe(
        f"{minutes}m"
        if minutes % 60
        else f"{minutes // 60}h"
        if minutes < 1440
        else f"{minutes // 1440}d"
    )
    for minutes in range(1, 1441)
    if 1440 % minutes == 0
]
ALL = [*DIVISORS, W1, MO1]
FILLING = [(finer, coarser) for finer in ALL for coarser in ALL if finer.divides(coarser)]
WIDE = "1m 5m 15m 1h 4h 1d 1w 1M"
# From 1801 to 2200: leap centuries and others, and both sides of 1970.
INSTANTS = st.integers(min_value=-5_333_000_000_000, max_value=7_258_000_000_000)
timeframes = st.sampled_from(ALL)


def utc(*parts: int) -> int:
    return to_ms(datetime(*parts, tzinfo=UTC))  # type: ignore[arg-type]


def labels(chain: tuple[Timeframe, ...]) -> list[str]:
    return [timeframe.label for timeframe in chain]


def test_the_default_chain_is_what_it_always_was() -> None:
    assert CHAIN == (M1, M5, M30, H4)
    assert CASCADE == ((M1, M5), (M5, M30), (M30, H4))
    assert TIMEFRAMES == {"1m": M1, "5m": M5, "30m": M30, "4h": H4}
    assert [one.dataset for one in CHAIN] == ["candle_1m", "candle_5m", "candle_30m", "candle_4h"]


def test_every_arrow_of_the_cascade_fills_whole_buckets() -> None:
    assert all(source.divides(target) for source, target in CASCADE)
    assert not M5.divides(M1)
    assert not M1.divides(M1)


@given(INSTANTS, timeframes)
def test_an_instant_lies_in_one_bucket_and_buckets_follow_each_other(
    instant_ms: int, timeframe: Timeframe
) -> None:
    open_ms = timeframe.floor_ms(instant_ms)
    end_ms = timeframe.end_ms(open_ms)
    assert open_ms <= instant_ms < end_ms <= open_ms + timeframe.length_ms
    assert timeframe.floor_ms(open_ms) == open_ms == timeframe.floor_ms(end_ms - 1)
    assert timeframe.floor_ms(end_ms) == end_ms
    assert timeframe.floor_ms(open_ms - 1) < open_ms
    assert timeframe.end_ms(timeframe.floor_ms(open_ms - 1)) == open_ms
    assert timeframe.ceil_ms(open_ms) == open_ms
    assert timeframe.ceil_ms(open_ms + 1) == end_ms


@given(INSTANTS, st.sampled_from(DIVISORS))
def test_a_divisor_of_a_day_counts_from_midnight_utc_on_both_sides_of_1970(
    instant_ms: int, timeframe: Timeframe
) -> None:
    opened = from_ms(timeframe.floor_ms(instant_ms))
    midnight = opened.replace(hour=0, minute=0, second=0, microsecond=0)
    steps, rest = divmod(opened - midnight, timedelta(milliseconds=timeframe.length_ms))
    assert not rest
    assert 0 <= steps < DAY_MS // timeframe.length_ms


@given(INSTANTS)
def test_a_week_begins_on_monday_and_a_month_on_its_first(instant_ms: int) -> None:
    instant = from_ms(instant_ms)
    day = datetime(instant.year, instant.month, instant.day, tzinfo=UTC)
    assert from_ms(W1.floor_ms(instant_ms)) == day - timedelta(days=day.weekday())
    assert from_ms(MO1.floor_ms(instant_ms)) == day.replace(day=1)


@pytest.mark.parametrize(
    ("month", "days"),
    [
        ((2024, 2), 29),
        ((2023, 2), 28),
        ((2000, 2), 29),
        ((1900, 2), 28),
        ((1969, 12), 31),
        ((1970, 1), 31),
        ((2026, 4), 30),
        ((2026, 12), 31),
    ],
)
def test_a_month_has_as_many_days_as_the_calendar_says(month: tuple[int, int], days: int) -> None:
    open_ms = utc(*month, 1)
    assert MO1.children_in(open_ms, D1) == days
    assert MO1.children_in(open_ms, H4) == 6 * days
    assert MO1.end_ms(open_ms) == open_ms + days * DAY_MS
    assert MO1.floor_ms(open_ms + days * DAY_MS - 1) == open_ms


def test_leap_day_week_and_epoch_stand_where_the_exchanges_put_them() -> None:
    leap_day = utc(2024, 2, 29, 23, 59)
    assert D1.floor_ms(leap_day) == utc(2024, 2, 29)
    assert D1.end_ms(utc(2024, 2, 29)) == utc(2024, 3, 1)
    assert W1.floor_ms(leap_day) == utc(2024, 2, 26)
    assert W1.floor_ms(0) == utc(1969, 12, 29)
    assert W1.floor_ms(-1) == utc(1969, 12, 29)
    assert MO1.floor_ms(-1) == utc(1969, 12, 1)
    assert H4.floor_ms(-1) == utc(1969, 12, 31, 20)


@pytest.mark.parametrize(
    "opens",
    [
        # New York opens at half past nine: one hour earlier in UTC since 8 March 2026.
        datetime(2026, 3, 6, 14, 30, tzinfo=UTC),
        datetime(2026, 3, 9, 13, 30, tzinfo=UTC),
        datetime(2026, 11, 2, 14, 30, tzinfo=UTC),
    ],
)
def test_a_session_of_a_venue_moves_no_bucket(opens: datetime) -> None:
    midnight = opens.replace(hour=0, minute=0)
    assert from_ms(D1.floor_ms(to_ms(opens))) == midnight
    assert from_ms(H4.floor_ms(to_ms(opens))) == midnight.replace(hour=12)
    assert from_ms(W1.floor_ms(to_ms(opens))).weekday() == 0


@given(st.sampled_from(FILLING), INSTANTS)
def test_what_divides_has_all_the_boundaries_of_the_coarser(
    arrow: tuple[Timeframe, Timeframe], instant_ms: int
) -> None:
    finer, coarser = arrow
    open_ms = coarser.floor_ms(instant_ms)
    end_ms = coarser.end_ms(open_ms)
    assert finer.floor_ms(open_ms) == open_ms
    assert finer.floor_ms(end_ms) == end_ms
    assert coarser.children_in(open_ms, finer) * finer.length_ms == end_ms - open_ms


@pytest.mark.parametrize(
    ("finer", "coarser"), [(W1, MO1), (MO1, W1), (MO1, MO1), (W1, W1), (W1, D1), (MO1, D1)]
)
def test_a_week_fills_no_month_and_a_month_nothing(finer: Timeframe, coarser: Timeframe) -> None:
    assert not finer.divides(coarser)


def test_of_divisors_of_a_day_one_fills_another_exactly_when_its_length_does() -> None:
    for finer in DIVISORS:
        for coarser in DIVISORS:
            whole = coarser.length_ms % finer.length_ms == 0 and finer != coarser
            assert finer.divides(coarser) == whole
        assert finer.divides(W1)
        assert finer.divides(MO1)


@pytest.mark.parametrize("timeframe", ALL, ids=lambda one: one.label)
def test_every_label_and_every_table_leads_back_to_its_timeframe(timeframe: Timeframe) -> None:
    assert parse_timeframe(timeframe.label) == timeframe
    assert timeframe_of(timeframe.dataset) == timeframe


def test_a_minute_and_a_month_have_different_names_even_where_case_is_lost() -> None:
    names = [timeframe.name.lower() for timeframe in ALL]
    assert len(set(names)) == len(names)
    assert MO1.dataset == "candle_1mo"


@pytest.mark.parametrize(
    "dataset", ["candle_revision", "trade", "candle_", "candle_1M", "candle_7m", "1m", "candle_60m"]
)
def test_another_table_has_no_timeframe(dataset: str) -> None:
    assert timeframe_of(dataset) is None


@pytest.mark.parametrize(
    "label",
    ["7m", "2d", "1W", "1y", "", "m", "0m", "-5m", "5", "5 m", "1.5h", "\u0665m", "5M", "2w"],
)
def test_an_unknown_timeframe_lists_the_known_ones(label: str) -> None:
    with pytest.raises(InvalidInputError, match=r"unknown timeframe.*1m, 5m, 30m, 4h.*1w or 1M"):
        parse_timeframe(label)


@pytest.mark.parametrize(
    ("label", "written"), [("60m", "1h"), ("90m", None), ("120m", "2h"), ("24h", "1d")]
)
def test_each_length_is_written_in_one_way(label: str, written: str | None) -> None:
    if written is None:
        assert parse_timeframe(label).label == label
        return
    with pytest.raises(InvalidInputError, match=f"write it {written}"):
        parse_timeframe(label)


@pytest.mark.parametrize(
    ("text", "arrows"),
    [
        ("1m", []),
        ("  ", ["1m>5m", "5m>30m", "30m>4h"]),
        ("4h,1m 30m , 5m", ["1m>5m", "5m>30m", "30m>4h"]),
        (WIDE, ["1m>5m", "5m>15m", "15m>1h", "1h>4h", "4h>1d", "1d>1w", "1d>1M"]),
        # The coarsest that fills it, which need not be the one before.
        ("1m 4h 6h 8h 12h 1d", ["1m>4h", "1m>6h", "4h>8h", "6h>12h", "12h>1d"]),
        ("1m 3m 5m 15m", ["1m>3m", "1m>5m", "5m>15m"]),
        ("1m 1h 1M 1w", ["1m>1h", "1h>1w", "1h>1M"]),
    ],
)
def test_each_is_built_from_the_coarsest_that_fills_it(text: str, arrows: list[str]) -> None:
    chain = parse_chain(text)
    assert [f"{source.label}>{target.label}" for source, target in arrows_of(chain)] == arrows


@given(st.sets(st.sampled_from([one for one in ALL if one != M1])))
def test_of_any_chain_each_but_the_minute_is_built_once_after_its_source(
    others: set[Timeframe],
) -> None:
    try:
        chain = parse_chain(" ".join(one.label for one in [*others, M1]))
    except InvalidInputError as error:
        assert str(MOST_CHILDREN) in str(error)  # noqa: PT017 - only some sets are too coarse
        assert others & {W1, MO1}
        return
    assert set(chain) == {*others, M1}
    assert all(finer < coarser for finer, coarser in pairwise(chain))
    built = {M1}
    for source, target in arrows_of(chain):
        assert source in built
        assert source.divides(target)
        assert not any(source < other and other.divides(target) for other in chain)
        assert target.length_ms <= MOST_CHILDREN * source.length_ms
        built.add(target)
    assert built == set(chain)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("5m 1h", "lack 1m.*add it"),
        ("1m 5m 1h 5m", "name 5m twice"),
        ("1m 7m", "'7m'.*divisor of a day"),
        ("1m 60m", "write it 1h"),
        ("1m 1w", "1w would be built from 10080 candles of 1m.*add one between them"),
        ("1m 30m 1M", "1M would be built from 1488 candles of 30m"),
    ],
)
def test_a_chain_that_cannot_be_built_is_refused_with_the_remedy(text: str, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        parse_chain(text)


def python(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_environment_names_the_chain() -> None:
    program = "from include.market.timeframe import *; print(*TIMEFRAMES, len(CASCADE))"
    assert python(program, CANDLEWICK_TIMEFRAMES=WIDE).stdout.split() == [*WIDE.split(), "7"]
    assert python(program, CANDLEWICK_TIMEFRAMES="").stdout.split() == [
        "1m",
        "5m",
        "30m",
        "4h",
        "3",
    ]


def test_a_wrong_environment_is_named() -> None:
    done = python("import include.market.timeframe", CANDLEWICK_TIMEFRAMES="1m 7m")
    assert done.returncode == 1
    assert "CANDLEWICK_TIMEFRAMES: unknown timeframe '7m'" in done.stderr


def test_to_know_the_timeframes_no_library_is_loaded() -> None:
    program = "import sys, include.market.timeframe; print(*sorted(sys.modules))"
    loaded = {name.partition(".")[0] for name in python(program).stdout.split()}
    assert not loaded & {"numpy", "pandas", "airflow", "psycopg", "sqlalchemy"}
