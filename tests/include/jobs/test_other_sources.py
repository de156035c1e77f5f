"""Every kind of source through the whole river, against what the simulator says is true."""

from __future__ import annotations

import csv
import json
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from include.exchanges.binance_usdm.client import BinanceUsdm
from include.exchanges.ccxt_venue.client import CcxtSource
from include.exchanges.files.client import FileSource
from include.exchanges.files.mapping import mapping_from
from include.exchanges.governor import LocalGovernor
from include.market.candle import VALUE_COLUMNS
from include.market.rate_limit import RateLimit
from include.market.span import Span, to_ms
from include.market.timeframe import DAY_MS
from tests.support.river import River, open_client
from tests.support.simulator import run_simulator

NOW = datetime(2026, 11, 10, 9, 17, 23, tzinfo=UTC)
TODAY_MS = to_ms(NOW) // DAY_MS * DAY_MS
DAYS = Span(TODAY_MS - 2 * DAY_MS, TODAY_MS)
# Where the kline array holds each of VALUE_COLUMNS.
POSITIONS = (1, 2, 3, 4, 5, 7, 9, 10, 8)


@pytest.fixture(scope="module")
def venue_url() -> Iterator[str]:
    with run_simulator(
        "--seed", "7", "--instruments", "BTCUSDT,ETHUSDT", "--clock", f"frozen:{to_ms(NOW)}",
        "--outages-per-year", "120",
    ) as url:  # fmt: skip
        yield url


def truth(url: str, venue: str, span: Span = DAYS) -> dict[int, tuple[float, ...]]:
    query = (
        f"venue={venue}&symbol=BTCUSDT&interval=1m"
        f"&startTime={span.start_ms}&endTime={span.end_ms - 1}"
    )
    with urllib.request.urlopen(f"{url}/sim/truth/candles?{query}", timeout=60) as answer:  # noqa: S310
        rows = json.load(answer)["rows"]
    return {row[0]: tuple(float(row[at]) for at in POSITIONS) for row in rows}


def stored(river: River, symbol: str) -> dict[int, tuple[Any, ...]]:
    rows = river.conn.execute(
        f"SELECT open_time, {', '.join(VALUE_COLUMNS)} FROM market.candle_1m "
        "JOIN market.instrument USING (instrument_id) WHERE symbol = %s",
        (symbol,),
    )
    return {to_ms(row[0]): tuple(row[1:]) for row in rows}


def run(river: River, span: Span = DAYS) -> None:
    river.sync()
    river.backfill(span, run_id="one")
    assert river.check()["held"] == 0
    river.load(run_id="one")
    river.cascade(run_id="one")


Open = Callable[..., River]


@pytest.fixture
def open_river(warehouse_dsn: str, venue_url: str, tmp_path: Path) -> Iterator[Open]:
    opened: list[River] = []

    def make(*symbols: str, **options: Any) -> River:
        opened.append(River(warehouse_dsn, venue_url, tmp_path, symbols, **options))
        return opened[-1]

    yield make
    for river in opened:
        river.close()


def sources(river: River) -> set[str]:
    return {row[0] for row in river.conn.execute("SELECT DISTINCT source FROM market.candle_1m")}


def test_futures_come_from_their_own_api(open_river: Open, venue_url: str) -> None:
    client = open_client(venue_url)
    river = open_river("BTCUSDT", source=BinanceUsdm(client), client=client)
    run(river)
    assert stored(river, "BTCUSDT") == truth(venue_url, "usdm")
    assert truth(venue_url, "usdm") != truth(venue_url, "spot")
    kinds = river.conn.execute("SELECT kind, status FROM market.instrument").fetchall()
    assert kinds == [("perpetual", "TRADING")]


@pytest.mark.parametrize("venue", ["spot", "usdm"])
def test_history_from_the_archive_is_the_same_history(
    open_river: Open, venue_url: str, venue: str
) -> None:
    client = open_client(venue_url)
    options = {"source": BinanceUsdm(client), "client": client} if venue == "usdm" else {}
    river = open_river("BTCUSDT", with_archive=True, **options)
    span = Span(DAYS.start_ms, TODAY_MS + DAY_MS)
    run(river, span)
    assert stored(river, "BTCUSDT") == truth(venue_url, venue, span)
    # Yesterday and before from files, today from the venue.
    assert sources(river) == {"archive", "rest"}
    files = river.conn.execute("SELECT count(*) FROM ledger.archive_file").fetchone()
    assert files == (2,)


def test_an_exchange_through_ccxt_stores_what_it_states_and_null_for_the_rest(
    open_river: Open, venue_url: str
) -> None:
    governor = LocalGovernor(RateLimit("ccxt:kraken", 10**9))
    with closing(CcxtSource("binance", governor=governor, base_url=venue_url)) as source:
        river = open_river("BTC/USDT", source=source)
        run(river)
    expected = truth(venue_url, "spot")
    absent = set(source.traits.absent_columns) & set(VALUE_COLUMNS)
    keep = [name not in absent for name in VALUE_COLUMNS]
    assert stored(river, "BTC/USDT") == {
        open_ms: tuple(value if kept else None for value, kept in zip(values, keep, strict=True))
        for open_ms, values in expected.items()
    }
    assert river.venue == "ccxt:binance"


def test_a_folder_of_files_goes_the_same_way(
    open_river: Open, venue_url: str, tmp_path: Path
) -> None:
    expected = truth(venue_url, "spot")
    with (tmp_path / "BTCUSDT_1m.csv").open("w", newline="") as target:
        writer = csv.writer(target)
        writer.writerow(["t", "o", "h", "l", "c", "v"])
        for open_ms, values in expected.items():
            writer.writerow([open_ms, *map(repr, values[:5])])
    mapping = {
        "url": tmp_path.as_uri(), "format": "csv", "pattern": "{symbol}_{timeframe}.csv",
        "time": {"column": "t", "unit": "ms"}, "assets": {"BTCUSDT": ["BTC", "USDT"]},
        "columns": {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"},
        "absent_means": "outage",
    }  # fmt: skip
    with closing(
        FileSource("files:lab", mapping_from(mapping), now_ms=lambda: to_ms(NOW))
    ) as source:
        river = open_river("BTCUSDT", source=source)
        run(river)
    assert stored(river, "BTCUSDT") == {
        open_ms: (*values[:5], None, None, None, None) for open_ms, values in expected.items()
    }
    gaps = river.conn.execute("SELECT DISTINCT reason FROM ledger.gap").fetchall()
    assert gaps in ([], [("outage",)])
    # Minutes after the newest file are not missing: nobody said that more would come.
    assert river.fetch(run_id="live") == {}
    assert river.audit(run_id="audit") == {"days": 0, "files": 0, "rows": 0}
