"""Recorded exchange data through the river, compared with a roll-up that shares no code with it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

from include.market.span import Span
from include.market.timeframe import DAY_MS
from tests.support.invariants import check_all
from tests.support.river import River
from tests.support.simulator import run_simulator

RECORDED = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "binance_usdm_1m"
SYMBOLS = ("FILUSDT", "NEARUSDT")
SUMS = ["volume", "quote_volume", "taker_buy_volume", "taker_buy_quote_volume"]
AUGUST = Span(1_690_848_000_000, 1_690_848_000_000 + 31 * DAY_MS)

pytestmark = pytest.mark.skipif(
    not RECORDED.is_dir(), reason="no recorded market data beside this checkout"
)


@pytest.fixture(scope="module")
def venue_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    month = tmp_path_factory.mktemp("august")
    for symbol in SYMBOLS:
        name = f"{symbol}-1m-2023-08.csv.gz"
        (month / name).write_bytes((RECORDED / name).read_bytes())
    with run_simulator("--engine", "replay", "--replay-path", str(month)) as url:
        yield url


def recorded(symbol: str) -> pd.DataFrame:
    rows = pd.read_csv(RECORDED / f"{symbol}-1m-2023-08.csv.gz")
    rows = rows.rename(columns={"count": "trade_count"})
    return rows.set_index(pd.to_datetime(rows["open_time"], unit="ms", utc=True))


def roll_up_plainly(finer: pd.DataFrame, rule: str) -> pd.DataFrame:
    """Roll up with pandas' own resample; sums are the correctly rounded ones of the children."""
    grouped = finer.resample(rule)
    coarse = grouped.agg(
        {"open": "first", "high": "max", "low": "min", "close": "last", "trade_count": "sum"}
    )
    for name in SUMS:
        coarse[name] = grouped[name].apply(math.fsum)
    return coarse


def stored(river: River, label: str, symbol: str) -> pd.DataFrame:
    columns = ["open_time", "open", "high", "low", "close", "trade_count", *SUMS]
    rows = river.conn.execute(
        f"SELECT {', '.join(columns)} FROM market.candle_{label} "
        "JOIN market.instrument USING (instrument_id) WHERE symbol = %s ORDER BY open_time",
        (symbol,),
    ).fetchall()
    return pd.DataFrame(rows, columns=columns).set_index("open_time")


def test_real_months_equal_an_independent_roll_up_row_for_row(
    warehouse_dsn: str, venue_url: str, tmp_path: Path
) -> None:
    with closing(River(warehouse_dsn, venue_url, tmp_path, SYMBOLS)) as river:
        check_august(river)


def check_august(river: River) -> None:
    river.sync()
    assert river.backfill(AUGUST, run_id="august") == 2 * 44_640
    assert river.check() == {"accepted": 2 * 44_640, "refused": 0, "held": 0}
    river.load(run_id="august")
    river.cascade(run_id="august")
    for symbol in SYMBOLS:
        expected = recorded(symbol)
        for label, rule in (("1m", "1min"), ("5m", "5min"), ("30m", "30min"), ("4h", "4h")):
            if label != "1m":
                expected = roll_up_plainly(expected, rule)
            found = stored(river, label, symbol)
            assert len(found) == 31 * DAY_MS / 1000 / pd.Timedelta(rule).total_seconds()
            pd.testing.assert_frame_equal(
                found,
                expected[list(found.columns)],
                check_exact=True,
                check_dtype=False,
                check_names=False,
                check_freq=False,
                check_index_type=False,
            )
    assert check_all(river.dsn, river.venue_url, SYMBOLS) == 2 * 44_640
