"""Freqtrade itself: what its ``download-data`` does for one pair, pointed at the simulator.

Its short cut to the venue's public files has a fixed address, so it is told to use ccxt only. It
writes feather with open, high, low, close and volume.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import ccxt.async_support
import pyarrow.feather  # noqa: F401 - imported before the clock starts
from freqtrade.configuration import TimeRange
from freqtrade.data.history.datahandlers import get_datahandler
from freqtrade.data.history.history_utils import _download_pair_history
from freqtrade.enums import CandleType, RunMode
from freqtrade.resolvers import ExchangeResolver


def settings(url: str, pair: str, folder: Path) -> dict[str, Any]:
    """Return freqtrade's configuration."""
    addresses = ccxt.async_support.binance().urls["api"]
    connection = {
        "enableRateLimit": False,
        "urls": {
            "api": {
                name: url + urlsplit(address).path
                for name, address in addresses.items()
                if isinstance(address, str)
            }
        },
        "options": {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False},
    }
    return {
        "exchange": {
            "name": "binance", "key": "", "secret": "", "pair_whitelist": [pair],
            "only_from_ccxt": True, "ccxt_config": connection, "ccxt_async_config": connection,
        },
        "stake_currency": "USDT", "dry_run": True, "trading_mode": "spot", "margin_mode": "",
        "candle_type_def": CandleType.SPOT, "dataformat_ohlcv": "feather", "datadir": folder,
        "user_data_dir": folder, "runmode": RunMode.UTIL_EXCHANGE,
        "entry_pricing": {"price_side": "same"}, "exit_pricing": {"price_side": "same"},
    }  # fmt: skip


def main() -> None:
    """Download and print rows, seconds, CPU seconds and the peak of memory."""
    _, url, symbol, start, end, name = sys.argv[1:]
    folder, pair = Path(name) / "freqtrade", f"{symbol.removesuffix('USDT')}/USDT"
    for old in folder.glob("*.feather"):
        # It would only ask for what is missing.
        old.unlink()
    folder.mkdir(exist_ok=True)
    config = settings(url, pair, folder)
    wall, cpu = time.perf_counter(), time.process_time()
    exchange = ExchangeResolver.load_exchange(config, validate=False)
    stored = get_datahandler(folder, "feather")
    _download_pair_history(
        pair,
        datadir=folder,
        exchange=exchange,
        timeframe="1m",
        data_handler=stored,
        candle_type=CandleType.SPOT,
        timerange=TimeRange("date", "date", int(start) // 1000, int(end) // 1000),
    )
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    rows = len(stored.ohlcv_load(pair, "1m", CandleType.SPOT, fill_missing=False))
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"rows": rows, "wall_s": wall, "cpu_s": cpu, "rss_mb": rss}))
    exchange.close()


if __name__ == "__main__":
    main()
