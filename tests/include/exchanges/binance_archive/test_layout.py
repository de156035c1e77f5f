"""Which files cover a span, and which of them can be there."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.exchanges.binance_archive.layout import (
    plan_files,
    plan_funding_files,
    plan_trade_files,
    split_into_days,
)
from include.market.errors import InvalidInputError
from include.market.span import Span, merge_spans, subtract_spans, to_ms
from include.market.timeframe import DAY_MS, M1


def ms(*date: int) -> int:
    return to_ms(datetime(*date, tzinfo=UTC))  # type: ignore[arg-type]


LATER = ms(2026, 1, 1)


def paths(span: Span, now_ms: int) -> list[str]:
    return [file.path for file in plan_files("spot", "BTCUSDT", M1, span, now_ms=now_ms)]


def test_the_names_are_those_of_the_archive() -> None:
    span = Span(ms(2024, 1, 31), ms(2024, 3, 1))
    assert paths(span, LATER) == [
        "/data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2024-01-31.zip",
        "/data/spot/monthly/klines/BTCUSDT/1m/BTCUSDT-1m-2024-02.zip",
    ]
    (futures,) = plan_files("um", "BTCUSDT", M1, Span(ms(2024, 2, 1), ms(2024, 3, 1)), now_ms=LATER)
    assert futures.path == "/data/futures/um/monthly/klines/BTCUSDT/1m/BTCUSDT-1m-2024-02.zip"
    assert futures.csv_name == "BTCUSDT-1m-2024-02.csv"
    assert futures.span == Span(ms(2024, 2, 1), ms(2024, 3, 1))


def test_trades_come_by_day_and_funding_by_month() -> None:
    span = Span(ms(2023, 12, 31, 12), ms(2024, 2, 1))
    trades = plan_trade_files("um", "BTCUSDT", span, now_ms=LATER)
    assert len(trades) == 32
    assert (
        trades[0].path
        == "/data/futures/um/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2023-12-31.zip"
    )
    assert [file.path for file in plan_funding_files("BTCUSDT", span, now_ms=LATER)] == [
        "/data/futures/um/monthly/fundingRate/BTCUSDT/BTCUSDT-fundingRate-2023-12.zip",
        "/data/futures/um/monthly/fundingRate/BTCUSDT/BTCUSDT-fundingRate-2024-01.zip",
    ]


# The first Monday after 2024-01 is 2024-02-05, after 2024-06 it is 2024-07-01 itself.
@pytest.mark.parametrize(
    ("month", "published"),
    [((2024, 1), (2024, 2, 5)), ((2024, 6), (2024, 7, 1)), ((2023, 12), (2024, 1, 1))],
)
def test_a_month_is_planned_from_the_first_monday_of_the_next(
    month: tuple[int, int], published: tuple[int, int, int]
) -> None:
    following = ms(month[0] + month[1] // 12, month[1] % 12 + 1, 1)
    span = Span(ms(*month, 1), following)
    monday = ms(*published)
    assert [path.count("/monthly/") for path in paths(span, monday)] == [1]
    before = paths(span, monday - 1)
    assert all("/daily/" in path for path in before)
    assert len(before) == 31 - (month[1] == 6) - (monday == following)


def test_nothing_is_planned_for_today() -> None:
    span = Span(ms(2024, 5, 1), ms(2024, 5, 20))
    now_ms = ms(2024, 5, 10, 23, 59)
    assert [path[-14:-4] for path in paths(span, now_ms)][-1] == "2024-05-09"
    assert [path[-14:-4] for path in paths(span, ms(2024, 5, 11))][-1] == "2024-05-10"


def test_a_month_that_is_not_there_can_be_asked_for_by_day() -> None:
    (month,) = plan_files("spot", "BTCUSDT", M1, Span(ms(2024, 2, 1), ms(2024, 3, 1)), now_ms=LATER)
    days = split_into_days(month)
    assert len(days) == 29
    assert merge_spans(day.span for day in days) == [month.span]


@pytest.mark.parametrize("symbol", ["", "btcusdt", "BTC/USDT", "../../x", "BTC USDT", "A" * 60])
def test_a_symbol_that_would_be_another_path_is_refused(symbol: str) -> None:
    with pytest.raises(InvalidInputError, match="no name of Binance's archive"):
        plan_files("spot", symbol, M1, Span(ms(2024, 2, 1), ms(2024, 3, 1)), now_ms=LATER)


@given(
    start=st.integers(ms(2017, 8, 1), ms(2025, 6, 1)),
    length=st.integers(0, 200 * DAY_MS),
    now_ms=st.integers(ms(2017, 8, 1), ms(2026, 1, 1)),
)
def test_the_files_cover_every_finished_day_of_the_span_once(
    start: int, length: int, now_ms: int
) -> None:
    span = Span(start, start + length)
    files = plan_files("spot", "BTCUSDT", M1, span, now_ms=now_ms)
    today_ms = now_ms - now_ms % DAY_MS
    end_ms = min(span.end_ms, today_ms)
    spans = [file.span for file in files]
    assert all(one.end_ms <= other.start_ms for one, other in pairwise(spans))
    assert all(found.end_ms <= now_ms for found in spans)
    if end_ms > start:
        assert subtract_spans(Span(start, end_ms), spans) == []
    for file in files:
        assert file.period == "daily" or (
            file.span.start_ms >= start and file.span.end_ms <= span.end_ms
        )
