from __future__ import annotations

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.market.errors import InvalidInputError
from include.market.span import Span
from include.market.timeframe import DAY_MS
from include.simulator.clock import FrozenClock
from include.simulator.engine import Kline, Window
from include.simulator.interval import INTERVALS, MINUTE_MS, ONE_MINUTE
from include.simulator.recordings import Recording, read_recordings
from include.simulator.replay import ReplayEngine, begin_kline, days_to_now, fold_klines
from include.simulator.rest import Venue
from include.simulator.weights import WeightMeter

FIRST_MS = 19_600 * DAY_MS
COUNT = 3 * 1440


def row(minute: int) -> str:
    open_ms = FIRST_MS + minute * MINUTE_MS
    price = 4_000 + minute % 97
    return (
        f"{open_ms},{price / 1000:.3f},{(price + 9) / 1000:.3f},{(price - 7) / 1000:.3f},"
        f"{(price + 3) / 1000:.3f},{minute % 13}.5,{open_ms + 59_999},{minute}.0165,{minute % 50},"
        f"{minute % 7}.2,1.1,0"
    )


@pytest.fixture(scope="module")
def recording() -> Recording:
    candles = {FIRST_MS + n * MINUTE_MS: row(n) for n in range(COUNT) if not 100 <= n < 110}
    trades = {
        500 + n: f"{500 + n},4.000,{n + 1}.5,{n},{n},{FIRST_MS + n * 7_000},{n % 2 == 0},True"
        for n in range(200)
    }
    return Recording("FILUSDT", candles, trades)


@pytest.fixture(scope="module")
def replay(recording: Recording) -> ReplayEngine:
    return ReplayEngine([recording])


END_MS = FIRST_MS + COUNT * MINUTE_MS


def parse(texts: list[str]) -> list[list[Any]]:
    return [json.loads(text) for text in texts]


def test_recorded_text_comes_back_exactly(recording: Recording, replay: ReplayEngine) -> None:
    page = replay.klines("FILUSDT", ONE_MINUTE, Window(1_000, FIRST_MS), END_MS + 1_000)
    rows = parse(page)
    assert len(rows) == 1_000
    assert [cells[0] for cells in rows] == list(recording.candles)[:1_000]
    for cells, text in zip(rows, recording.candles.values(), strict=False):
        assert [str(cell) for cell in cells] == text.split(",")
    last = parse(replay.klines("FILUSDT", ONE_MINUTE, Window(2), END_MS + 1_000))
    assert last[-1][0] == END_MS - MINUTE_MS
    assert replay.data_span(END_MS + 1_000) == Span(FIRST_MS, END_MS)


def test_a_shift_moves_times_by_whole_days_and_keeps_the_text(recording: Recording) -> None:
    moved = ReplayEngine([recording], shift_days=100)
    at_ms = FIRST_MS + 100 * DAY_MS
    rows = parse(moved.klines("FILUSDT", ONE_MINUTE, Window(2, at_ms), at_ms + DAY_MS))
    assert [cells[0] for cells in rows] == [at_ms, at_ms + MINUTE_MS]
    assert rows[0][6] == at_ms + MINUTE_MS - 1
    assert rows[0][1:6] == row(0).split(",")[1:6]
    trade = moved.agg_trades("FILUSDT", Window(1, at_ms), at_ms + DAY_MS)[0]
    assert (trade.id, trade.time_ms) == (500, at_ms)


@given(
    now_ms=st.integers(0, 3 * 10**12), days=st.integers(1, 100), extra=st.integers(0, DAY_MS - 1)
)
def test_now_lies_in_the_last_whole_day_after_a_shift(now_ms: int, days: int, extra: int) -> None:
    shared = Span(FIRST_MS, FIRST_MS + days * DAY_MS + extra)
    shift_ms = days_to_now(shared, now_ms) * DAY_MS
    assert shared.start_ms + (days - 1) * DAY_MS <= now_ms - shift_ms
    assert now_ms - shift_ms < shared.start_ms + days * DAY_MS


def test_spans_are_the_union_and_what_all_symbols_share(recording: Recording) -> None:
    rows = list(recording.candles.items())
    late = Recording("NEARUSDT", dict(rows[500:-300]))
    both = ReplayEngine([recording, late])
    assert both.recorded_span == Span(FIRST_MS, END_MS)
    assert both.shared_span == Span(rows[500][0], rows[-301][0] + MINUTE_MS)
    apart = ReplayEngine(
        [Recording("FILUSDT", dict(rows[:9])), Recording("NEARUSDT", dict(rows[20:]))]
    )
    assert not apart.shared_span


def test_a_shift_needs_a_shared_day() -> None:
    with pytest.raises(InvalidInputError, match="needs a whole day"):
        days_to_now(Span(FIRST_MS, FIRST_MS + DAY_MS - 1), 0)


@pytest.mark.parametrize("label", ["5m", "4h", "1d", "1w"])
def test_coarse_candles_are_exact_sums_of_the_recorded(
    recording: Recording, replay: ReplayEngine, label: str
) -> None:
    interval = INTERVALS[label]
    first_ms = interval.floor_ms(FIRST_MS)
    rows = parse(replay.klines("FILUSDT", interval, Window(1_000, first_ms), END_MS + 8 * DAY_MS))
    groups: dict[int, list[list[str]]] = {}
    for open_ms, text in recording.candles.items():
        groups.setdefault(interval.floor_ms(open_ms), []).append(text.split(","))
    assert [cells[0] for cells in rows] == list(groups)
    for cells in rows:
        group = groups[cells[0]]
        assert cells[1] == group[0][1]
        assert Decimal(cells[2]) == max(Decimal(child[2]) for child in group)
        assert Decimal(cells[3]) == min(Decimal(child[3]) for child in group)
        assert cells[4] == group[-1][4]
        assert Decimal(cells[5]) == sum(Decimal(child[5]) for child in group)
        assert Decimal(cells[10]) == sum(Decimal(child[10]) for child in group)
        assert cells[8] == sum(int(child[8]) for child in group)


def test_minutes_that_were_not_recorded_stay_absent(replay: ReplayEngine) -> None:
    window = Window(100, FIRST_MS + 95 * MINUTE_MS, FIRST_MS + 112 * MINUTE_MS)
    rows = parse(replay.klines("FILUSDT", ONE_MINUTE, window, END_MS))
    minutes = [(cells[0] - FIRST_MS) // MINUTE_MS for cells in rows]
    assert minutes == [*range(95, 100), *range(110, 113)]
    hole_ms = FIRST_MS + 104 * MINUTE_MS
    assert replay.kline_at("FILUSDT", ONE_MINUTE, hole_ms, END_MS) is None
    assert replay.klines("FILUSDT", INTERVALS["5m"], Window(1, hole_ms, hole_ms), END_MS) == []


def test_the_open_candle_grows_towards_the_recorded(replay: ReplayEngine) -> None:
    open_ms = FIRST_MS + 2_000 * MINUTE_MS
    grown: list[Kline] = []
    for elapsed_ms in (0, 20_000, 40_000, 59_999, 60_000):
        now_ms = open_ms + elapsed_ms
        rows = parse(replay.klines("FILUSDT", ONE_MINUTE, Window(1), now_ms))
        kline = replay.kline_at("FILUSDT", ONE_MINUTE, open_ms, now_ms)
        assert kline is not None
        grown.append(kline)
        if elapsed_ms < 60_000:
            assert rows[0][0] == open_ms
            assert rows[0][4] == kline.close
    first, *_, almost, final = grown
    assert {first.open, first.high, first.low, first.close} == {final.open}
    assert first.trade_count == 0
    assert (almost.high, almost.low, almost.close) == (final.high, final.low, final.close)
    volumes = [Decimal(kline.volume) for kline in grown]
    assert volumes == sorted(volumes)
    assert [str(v) for v in volumes[-1:]] == [final.volume]
    assert ",".join(row(2_000).split(",")[1:5]) == ",".join(final[2:6])


def test_a_guess_stays_on_the_lot_grid() -> None:
    final = Kline(
        0, 59_999, "1.0", "1.2", "0.9", "1.1", "7.00000000", "7.0", "3.00000000", "3.0", 9, -1
    )
    half = begin_kline(final, 31_000, lot_decimals=0)
    assert (half.volume, half.taker_volume, half.trade_count) == ("3.00000000", "1.00000000", 4)
    assert (half.low, half.high, half.close) == ("0.9", "1.2", "1.2")


def test_aggregate_trades_by_time_and_by_id(replay: ReplayEngine) -> None:
    now_ms = FIRST_MS + 100 * 7_000
    window = Window(10, FIRST_MS + 7_000, FIRST_MS + 5 * 7_000)
    assert [t.id for t in replay.agg_trades("FILUSDT", window, now_ms)] == [501, 502, 503, 504, 505]
    assert [t.id for t in replay.agg_trades("FILUSDT", Window(2), now_ms)] == [599, 600]
    assert [t.id for t in replay.agg_trades_from("FILUSDT", 599, 10, now_ms)] == [599, 600]
    first = replay.agg_trades_from("FILUSDT", 0, 1, now_ms)[0]
    assert (first.price, first.quantity, first.buyer_maker) == ("4.000", "1.5", True)
    assert replay.trades("FILUSDT", Window(5), now_ms) == []


def test_symbols_without_aggregate_trades_answer_nothing(recording: Recording) -> None:
    bare = ReplayEngine([Recording("FILUSDT", recording.candles)])
    assert bare.agg_trades("FILUSDT", Window(5), END_MS) == []
    assert bare.agg_trades_from("FILUSDT", 1, 5, END_MS) == []


def test_grids_are_read_off_the_numbers(replay: ReplayEngine, run_server: Any, ask: Any) -> None:
    venue = Venue(replay, FrozenClock(END_MS + 1_000), WeightMeter())
    symbol = ask("/api/v3/exchangeInfo", of=venue).body["symbols"][0]
    assert symbol["filters"][0]["tickSize"] == "0.00100000"
    assert symbol["filters"][1]["stepSize"] == "0.10000000"
    truth = ask("/sim/truth", "symbol=FILUSDT", of=venue)
    assert (truth.status, truth.body["code"]) == (404, -1000)
    assert "--engine synthetic" in truth.body["msg"]
    info = ask("/sim/info", of=venue).body
    assert (info["engine"], info["seed"]) == ("replay", None)
    assert (info["data_from_ms"], info["data_to_ms"]) == (FIRST_MS, END_MS)


def test_recorded_months_come_back_to_the_letter(shared_data: Path) -> None:
    file = shared_data / "binance_usdm_1m" / "NEARUSDT-1m-2023-10.csv.gz"
    if not file.exists():
        pytest.skip(f"no recording at {file}")
    engine = ReplayEngine(read_recordings([file]))
    lines = gzip.decompress(file.read_bytes()).decode().splitlines()[1:]
    now_ms = engine.recorded_span.end_ms + 1_000
    told: list[str] = []
    cursor_ms = engine.recorded_span.start_ms
    while len(told) < 5_000:
        page = parse(engine.klines("NEARUSDT", ONE_MINUTE, Window(1_000, cursor_ms), now_ms))
        told += [",".join(map(str, cells)) for cells in page]
        cursor_ms = page[-1][0] + 1
    assert told == lines[:5_000]
    quiet = [line for line in lines if line.split(",")[8] == "0"]
    assert len(quiet) == 58


def test_folding_single_minutes_changes_nothing() -> None:
    kline = Kline(0, 59_999, "1", "1", "1", "1", "1", "1", "1", "1", 1, -1)
    assert fold_klines([kline], ONE_MINUTE) == [kline]


def test_a_recording_of_candles_tells_no_seconds(replay: ReplayEngine, ask: Any) -> None:
    venue = Venue(replay, FrozenClock(END_MS + 1_000), WeightMeter())
    refused = ask("/api/v3/klines", "symbol=FILUSDT&interval=1s", of=venue)
    assert (refused.status, refused.body["code"]) == (400, -1120)
    assert "1s" not in venue.engine.intervals
