from __future__ import annotations

import gzip
import json
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.market.span import Span
from include.simulator.engine import Kline, Window
from include.simulator.interval import INTERVALS, MINUTE_MS, Interval
from include.simulator.pages import Pager, Rows, join_rows

ZERO = "0.00000000"


def make_kline(interval: Interval, open_ms: int) -> Kline:
    return Kline._make([open_ms, interval.next_ms(open_ms) - 1, *[ZERO] * 8, 0, -1])


def grid(interval: Interval, span: Span) -> list[int]:
    opens = [interval.floor_ms(span.start_ms)]
    while opens[-1] < span.end_ms:
        opens.append(interval.next_ms(opens[-1]))
    return opens[:-1]


def make_pager(interval: Interval, data: Span, now_ms: int, absent: Span) -> Pager:
    def unit_rows(unit: Span) -> Rows:
        opens = [o for o in grid(interval, unit) if not absent.start_ms <= o < absent.end_ms]
        return join_rows([make_kline(interval, open_ms) for open_ms in opens])

    def current(open_ms: int) -> Kline | None:
        inside = absent.start_ms <= open_ms < absent.end_ms
        return None if inside else make_kline(interval, open_ms)

    return Pager(interval, data, now_ms, unit_rows, current)


def opens_of(texts: list[str]) -> list[int]:
    return [json.loads(text)[0] for text in texts]


START_MS = 1_700_000_000_000 // 86_400_000 * 86_400_000
minutes = st.integers(-200, 4 * 1440 + 200)


@given(
    label=st.sampled_from(["1m", "5m", "1h", "4h", "1d"]),
    start=st.none() | minutes,
    end=st.none() | minutes,
    limit=st.integers(1, 1000),
    hole=st.tuples(st.integers(0, 4_000), st.integers(0, 2_000)),
    jitter_ms=st.integers(0, 59_999),
)
def test_a_page_is_what_the_range_rules_say(
    label: str,
    start: int | None,
    end: int | None,
    limit: int,
    hole: tuple[int, int],
    jitter_ms: int,
) -> None:
    interval = INTERVALS[label]
    now_ms = START_MS + 3 * 1440 * MINUTE_MS + 777 * MINUTE_MS + jitter_ms
    absent_from = START_MS + hole[0] * MINUTE_MS
    absent = Span(absent_from, absent_from + hole[1] * MINUTE_MS)
    data = Span(START_MS, now_ms - now_ms % MINUTE_MS)
    pager = make_pager(interval, data, now_ms, absent)
    start_ms = None if start is None else START_MS + start * MINUTE_MS + jitter_ms
    end_ms = None if end is None else START_MS + end * MINUTE_MS + jitter_ms
    found = opens_of(pager.page(Window(limit, start_ms, end_ms)))
    known = [
        open_ms
        for open_ms in grid(interval, Span(START_MS, now_ms + 1))
        if not absent.start_ms <= open_ms < absent.end_ms
    ]
    inside = [
        open_ms
        for open_ms in known
        if (start_ms is None or start_ms <= open_ms) and (end_ms is None or open_ms <= end_ms)
    ]
    assert found == (inside[-limit:] if start_ms is None else inside[:limit])


RECORDED = (
    "endTime=1588743688000&interval=1m&startTime=1588740088000&symbol=BTCUSDT",
    "endTime=1577836799000&interval=1d&limit=1000&startTime=1546300800000&symbol=BTCUSDT",
    "endTime=1578096000000&interval=1d&limit=1000&startTime=1546041600000&symbol=BTCUSDT",
    "endTime=1591880400000&interval=1h&limit=1000&startTime=1588280400000&symbol=BTCUSDT",
    "endTime=1613347200000&interval=1d&limit=1000&startTime=1598918400000&symbol=BTCUSDT",
    "endTime=1577836800000&interval=1d&limit=1000&startTime=1546300800000&symbol=ETHBTC",
    "endTime=1673146800000&interval=1h&limit=1000&startTime=1672516800000&symbol=BTCUSDT",
    "endTime=1580515200000&interval=5m&limit=24&startTime=1577836800000&symbol=BTCUSDT",
)


@pytest.mark.parametrize("query", RECORDED)
def test_pages_hold_the_rows_binance_answered(query: str, shared_data: Path) -> None:
    file = shared_data / "rest_recorded" / "gct_binance_public.json.gz"
    if not file.exists():
        pytest.skip(f"no recording at {file}")
    recorded = json.loads(gzip.decompress(file.read_bytes()))["/api/v3/klines"]
    answer = next(pair["data"] for pair in recorded if pair["queryString"] == query)
    asked = {name: values[0] for name, values in parse_qs(query).items()}
    interval = INTERVALS[asked["interval"]]
    now_ms = 1_700_000_000_000
    pager = make_pager(interval, Span(1_502_928_000_000, now_ms), now_ms, Span(0, 0))
    window = Window(int(asked.get("limit", 500)), int(asked["startTime"]), int(asked["endTime"]))
    rows = [json.loads(text) for text in pager.page(window)]
    assert [(row[0], row[6]) for row in rows] == [(row[0], row[6]) for row in answer]
    assert [[type(cell) for cell in row] for row in rows[:1]] == [
        [type(cell) for cell in row] for row in answer[:1]
    ]
