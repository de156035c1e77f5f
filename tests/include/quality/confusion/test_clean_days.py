"""Thirty sound days of ten instruments: no row is refused, no batch is held."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from include.exchanges.binance_klines import parse_klines
from include.jobs.storage import as_landed_table
from include.market.settings import Settings
from include.market.span import Span
from include.market.timeframe import DAY_MS, M1
from include.quality.gate import LandedBatch, judge_batches
from include.quality.verdict import Verdict
from include.simulator.catalogue import list_symbols
from include.simulator.engine import Window
from include.simulator.interval import INTERVALS
from include.simulator.synthetic import SyntheticEngine
from tests.include.quality.recorded import read_binance_csv

SYMBOLS = ("BTC", "ETH", "SOL", "XRP", "ADA", "DOGE", "LTC", "LINK", "DOT", "AVAX")
FIRST_MS = 20_000 * DAY_MS
DAYS = 30
LANDED_DAYS = 10


def batches_of(engine: SyntheticEngine, symbol: str) -> Iterator[LandedBatch]:
    """Yield a symbol's days as the fetch lands them, some at a time."""
    for first_ms in range(FIRST_MS, FIRST_MS + DAYS * DAY_MS, LANDED_DAYS * DAY_MS):
        span = Span(first_ms, first_ms + LANDED_DAYS * DAY_MS)
        window = Window(LANDED_DAYS * 1440, span.start_ms, span.end_ms - 1)
        rows = engine.klines(symbol, INTERVALS["1m"], window, span.end_ms + DAY_MS)
        frame = as_landed_table(parse_klines(f"[{','.join(rows)}]".encode())).to_pandas()
        yield LandedBatch(frame, span, span.end_ms + DAY_MS)


def assert_nothing_found(verdicts: Sequence[Verdict]) -> None:
    for verdict in verdicts:
        assert verdict.refused_share <= Settings().block_share, "a false block"
        assert verdict.refused.empty, verdict.refused.head()
        assert verdict.results["out_of_order"] == 0
        assert verdict.accepted["flags"].eq(0).all()


def test_ten_simulated_markets_for_thirty_days() -> None:
    engine = SyntheticEngine(
        12, list_symbols([f"{name}USDT" for name in SYMBOLS]), outages_per_year=0.0
    )
    checked = 0
    for symbol in engine.listings:
        verdicts = judge_batches(list(batches_of(engine, symbol)), timeframe=M1)
        assert_nothing_found(verdicts)
        checked += sum(len(verdict.accepted) for verdict in verdicts)
    assert checked == len(SYMBOLS) * DAYS * 1440


@pytest.mark.parametrize("symbol", ["FILUSDT", "NEARUSDT"])
def test_three_recorded_months(symbol: str) -> None:
    frames = [
        read_binance_csv(f"binance_usdm_1m/{symbol}-1m-2023-{month}.csv.gz")
        for month in ("08", "09", "10")
    ]
    batches = []
    for frame in frames:
        first_ms = int(frame["open_time"].iloc[0].timestamp() * 1000)
        span = Span(first_ms, first_ms + len(frame) * M1.length_ms)
        batches.append(LandedBatch(frame, span, span.end_ms + DAY_MS))
    verdicts = judge_batches(batches, timeframe=M1)
    assert_nothing_found(verdicts)
    assert sum(len(verdict.accepted) for verdict in verdicts) == 92 * 1440
