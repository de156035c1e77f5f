"""An outage is the silence of all, with trade known before and after; nothing less is one."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from include.market.span import Span, merge_spans, subtract_spans, to_ms
from include.market.timeframe import DAY_MS, M1
from include.quality.gaps import find_gaps
from include.quality.outages import (
    LEAST_QUIET_MS,
    SeriesKnowledge,
    VenueSilence,
    disconnected_spans,
    find_venue_silences,
    rare_silences,
)
from tests.support.recorded import recorded_file

DAY = Span(0, 1440)
EDGES = st.lists(st.integers(0, 40), unique=True, max_size=8).map(sorted)


def knowledge(number: int, *silent: tuple[int, int], asked: Span = DAY) -> SeriesKnowledge:
    """Return an instrument that trades whenever it is not silent, as far as it was asked for."""
    holes = [Span(*one) for one in silent]
    return SeriesKnowledge(number, [DAY], subtract_spans(asked, holes), holes)


def spans(silences: list[VenueSilence]) -> list[Span]:
    return [one.span for one in silences]


def test_all_silent_together_is_an_outage_told_once() -> None:
    series = [
        knowledge(1, (100, 200)),
        knowledge(2, (90, 150), (160, 210)),
        knowledge(3, (100, 200)),
    ]
    assert find_venue_silences(series) == [
        VenueSilence(Span(100, 150), 3, 3),
        VenueSilence(Span(160, 200), 3, 3),
    ]


def test_one_that_trades_disproves_an_outage() -> None:
    series = [knowledge(1, (100, 200)), knowledge(2, (100, 200)), knowledge(3)]
    assert find_venue_silences(series) == []


def test_one_instrument_alone_says_nothing_of_its_venue() -> None:
    assert find_venue_silences([knowledge(1, (100, 200))]) == []
    assert spans(find_venue_silences([knowledge(1, (100, 200))], quorum=1)) == [Span(100, 200)]


def test_a_silence_that_may_go_on_is_none() -> None:
    until_now = Span(0, 200)
    series = [knowledge(n, (100, 200), asked=until_now) for n in (1, 2)]
    assert find_venue_silences(series) == []
    begins = [knowledge(n, (0, 50)) for n in (1, 2)]
    assert find_venue_silences(begins) == [], "nobody knows what was before"


def test_instruments_never_asked_for_count_as_unknown() -> None:
    unasked = [SeriesKnowledge(n, [DAY]) for n in (3, 4, 5)]
    series = [knowledge(1, (100, 200)), knowledge(2, (100, 200))]
    assert find_venue_silences([*series, *unasked[:2]]) == [VenueSilence(Span(100, 200), 2, 4)]
    assert find_venue_silences([*series, *unasked]) == []


def test_who_ought_not_to_trade_is_not_silent() -> None:
    halted = SeriesKnowledge(2, [Span(0, 100), Span(200, 1440)], [], [Span(100, 200)])
    assert find_venue_silences([knowledge(1, (100, 200)), halted]) == []


def test_gaps_cut_by_batches_are_one_silence() -> None:
    series = [knowledge(1, (100, 150), (150, 200)), knowledge(2, (100, 120), (120, 200))]
    assert spans(find_venue_silences(series)) == [Span(100, 200)]


@given(st.lists(st.tuples(EDGES, EDGES), min_size=1, max_size=5))
def test_every_instant_is_judged_by_the_definition(
    drawn: list[tuple[list[int], list[int]]],
) -> None:
    limits = Span(0, 41)
    series = []
    for number, (absent, unasked) in enumerate(drawn):
        holes, blank = ([Span(*pair) for pair in zip(edges[::2], edges[1::2], strict=False)]
                        for edges in (absent, unasked))  # fmt: skip
        silent = [rest for hole in holes for rest in subtract_spans(hole, blank)]
        series.append(
            SeriesKnowledge(number, [limits], subtract_spans(limits, [*holes, *blank]), silent)
        )

    def state(instant: int) -> str:
        trading = sum(any(_holds(one, instant) for one in each.traded) for each in series)
        silent = sum(any(_holds(one, instant) for one in each.silent) for each in series)
        if trading:
            return "trade"
        return "silence" if silent >= 2 and silent * 2 >= len(series) else "unknown"

    states = [state(instant) for instant in range(41)]
    expected: set[int] = set()
    for start in range(1, 41):
        end = start
        while end < 41 and states[end] == "silence":
            end += 1
        if start < end < 41 and states[start - 1] == states[end] == "trade":
            expected |= set(range(start, end))
    found = spans(find_venue_silences(series))
    assert {at for span in found for at in range(span.start_ms, span.end_ms)} == expected
    assert merge_spans(found) == found


def _holds(span: Span, instant: int) -> bool:
    return span.start_ms <= instant < span.end_ms


@given(EDGES, EDGES)
def test_nobody_listens_where_no_connection_was_alive(alive: list[int], asked: list[int]) -> None:
    spans_alive = [Span(*pair) for pair in zip(alive[::2], alive[1::2], strict=False)]
    for start, end in zip(asked[::2], asked[1::2], strict=False):
        lost = disconnected_spans(spans_alive, Span(start, end))
        for instant in range(start, end):
            heard = any(_holds(one, instant) for one in spans_alive)
            assert any(_holds(one, instant) for one in lost) is not heard


def minute_spans(*pairs: tuple[int, int]) -> list[VenueSilence]:
    return [VenueSilence(Span(a * M1.length_ms, b * M1.length_ms), 2, 2) for a, b in pairs]


def test_only_silences_far_longer_than_usual_are_outages_of_a_quiet_venue() -> None:
    usual = [(100 * n, 100 * n + 6) for n in range(1, 20)]
    long, hardly = (5000, 5031), (6000, 6030)
    found = rare_silences(minute_spans(*usual, long))
    assert spans(found) == spans(minute_spans(long))
    assert rare_silences(minute_spans(*usual, hardly)) == [], "five times as long is not more"


def test_short_silences_are_never_outages_and_far_ones_do_not_hide_others() -> None:
    shortest = LEAST_QUIET_MS // M1.length_ms
    assert rare_silences(minute_spans((10, 10 + shortest - 1))) == []
    week = 8 * DAY_MS // M1.length_ms
    pair = minute_spans((10, 10 + shortest), (10 + week, 40 + week))
    assert rare_silences(pair) == pair


def test_the_halt_of_2016_is_found_in_recorded_candles_and_nothing_else_of_that_time() -> None:
    opens = _recorded_opens()
    year = Span(to_ms(datetime(2016, 6, 1, tzinfo=UTC)), to_ms(datetime(2016, 12, 31, tzinfo=UTC)))
    holes = find_gaps(opens, M1, year)
    series = [SeriesKnowledge(1, [year], subtract_spans(year, holes), holes)]
    found = spans(rare_silences(find_venue_silences(series, quorum=1)))
    # Trading stopped at 18:02; the last candle of this instrument is of 17:56.
    halt = Span(
        to_ms(datetime(2016, 8, 2, 17, 57, tzinfo=UTC)),
        to_ms(datetime(2016, 8, 10, 16, 1, tzinfo=UTC)),
    )
    assert found == [halt]


def _recorded_opens() -> NDArray[np.int64]:
    path = recorded_file("bitfinex_1m/LTCUSD-1m-2016.csv.gz")
    return np.loadtxt(path, delimiter=",", usecols=0, skiprows=1, dtype=np.float64).astype(np.int64)


@pytest.mark.parametrize("quorum", [1, 2])
def test_no_series_are_no_silence(quorum: int) -> None:
    assert find_venue_silences([], quorum=quorum) == []
