"""How trading bots roll candles up: freqtrade's library, nautilus' aggregator. One instrument."""

from __future__ import annotations

import importlib
from typing import Any

import pandas as pd
from cascade_run import Run, main

ROWS = 100_000
MINUTE_NS = 60_000_000_000


def _head(path: str) -> pd.DataFrame:
    table = pd.read_parquet(path)
    return table[table["instrument_id"] == table["instrument_id"].iloc[0]].head(ROWS)


def technical(path: str) -> tuple[Run, Any, int]:
    """Call ``technical.util.resample_to_interval``, which keeps prices and volume alone."""
    resample = importlib.import_module("technical.util").resample_to_interval
    candles = _head(path).rename(columns={"open_time": "date"})
    candles = candles[["date", "open", "high", "low", "close", "volume"]]

    def run() -> pd.DataFrame:
        rolled = candles
        for minutes in (5, 30, 240):
            rolled = resample(rolled, minutes)
        return rolled

    return run, lambda rolled: {"last_rows": len(rolled)}, len(candles)


def nautilus(path: str) -> tuple[Run, Any, int]:
    """Feed 1m bars into a time bar aggregator of 5 minutes, one by one, as a strategy does."""
    data = importlib.import_module("nautilus_trader.model.data")
    objects = importlib.import_module("nautilus_trader.model.objects")
    clocks = importlib.import_module("nautilus_trader.common.component")
    aggregation = importlib.import_module("nautilus_trader.data.aggregation")
    provider = importlib.import_module("nautilus_trader.test_kit.providers").TestInstrumentProvider
    instrument = provider.btcusdt_binance()
    fine = data.BarType.from_str(f"{instrument.id}-1-MINUTE-LAST-EXTERNAL")
    coarse = data.BarType.from_str(f"{instrument.id}-5-MINUTE-LAST-INTERNAL@1-MINUTE-EXTERNAL")
    candles = _head(path)
    closes_ns = candles["open_time"].astype("int64").to_numpy() * 1000 + MINUTE_NS
    prices = [
        [objects.Price(value, 2) for value in candles[name]]
        for name in ("open", "high", "low", "close")
    ]
    volumes = [objects.Quantity(value, 6) for value in candles["volume"]]
    bars = [
        data.Bar(fine, *each, int(at), int(at))
        for *each, at in zip(*prices, volumes, closes_ns, strict=True)
    ]

    def run() -> list[Any]:
        found: list[Any] = []
        clock = clocks.TestClock()
        clock.set_time(int(closes_ns[0]) - MINUTE_NS)
        aggregator = aggregation.TimeBarAggregator(instrument, coarse, found.append, clock)
        for bar in bars:
            aggregator.handle_bar(bar)
            for event in clock.advance_time(bar.ts_init):
                event.handle()
        return found

    return run, lambda found: {"last_rows": len(found)}, len(bars)


if __name__ == "__main__":
    main({"technical": technical, "nautilus": nautilus})
