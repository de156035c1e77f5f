"""The archive of the bundled exchange, file by file against its REST answers."""

from __future__ import annotations

import hashlib
import json
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pytest

from include.exchanges.binance_archive.client import BinanceArchive
from include.exchanges.binance_archive.layout import (
    Market,
    plan_files,
    plan_funding_files,
    plan_trade_files,
)
from include.exchanges.governor import LocalGovernor
from include.exchanges.http import HttpClient, HttpSettings
from include.market.rate_limit import RateLimit
from include.market.span import Span
from include.market.timeframe import DAY_MS, M1, M30
from tests.support.simulator import run_simulator

TODAY_MS = 20_300 * DAY_MS
NOW_MS = TODAY_MS + 5 * 3_600_000
YESTERDAY = Span(TODAY_MS - DAY_MS, TODAY_MS)
REST = {"spot": "/api/v3", "um": "/fapi/v1"}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with run_simulator(
        "--instruments", "BTCUSDT,ETHUSDT,INJUSDT", "--clock", f"frozen:{NOW_MS}"
    ) as base:
        yield base


@pytest.fixture
def http(url: str) -> Iterator[HttpClient]:
    governor = LocalGovernor(RateLimit("archive", 6000))
    with closing(
        HttpClient(url, HttpSettings(attempts=2, deadline_s=300), governor=governor)
    ) as client:
        yield client


def rest(url: str, path: str, **query: object) -> Any:
    text = "&".join(f"{key}={value}" for key, value in query.items())
    with urllib.request.urlopen(f"{url}{path}?{text}", timeout=30) as response:  # noqa: S310
        return json.loads(response.read())


@pytest.mark.parametrize("market", ["spot", "um"])
def test_a_day_of_candles_is_what_rest_tells(url: str, http: HttpClient, market: Market) -> None:
    (file,) = plan_files(market, "BTCUSDT", M1, YESTERDAY, now_ms=NOW_MS)
    found = BinanceArchive(http, market=market).read_candles(file)
    assert found is not None
    told = rest(
        url,
        f"{REST[market]}/klines",
        symbol="BTCUSDT",
        interval="1m",
        startTime=YESTERDAY.start_ms,
        limit=1000,
    )
    count = len(told)
    assert found.rows.open_ms[:count].tolist() == [row[0] for row in told]
    assert found.rows.close_ms[:count].tolist() == [row[6] for row in told]
    expected = np.array([[*row[1:6], row[7], row[9], row[10], row[8]] for row in told], float)
    assert np.array_equal(found.rows.values[:count], expected)
    assert len(found.rows) == 1440
    assert (found.outside, found.repeated, found.unplaced) == (0, 0, ())
    digits = 16 if market == "spot" else 13
    assert found.rows.raw[0].index(b",") == digits


def test_a_month_comes_as_one_file(http: HttpClient) -> None:
    # 2025-06, published on Monday 2025-07-07.
    june = Span(1_748_736_000_000, 1_751_328_000_000)
    (file,) = plan_files("um", "ETHUSDT", M30, june, now_ms=NOW_MS)
    assert file.period == "monthly"
    found = BinanceArchive(http, market="um").read_candles(file)
    assert found is not None
    assert (np.diff(found.rows.open_ms) % M30.length_ms == 0).all()
    assert june.start_ms <= found.rows.open_ms[0] < found.rows.open_ms[-1] < june.end_ms


@pytest.mark.parametrize("market", ["spot", "um"])
def test_a_day_of_trades_has_unbroken_ids(url: str, http: HttpClient, market: Market) -> None:
    (file,) = plan_trade_files(market, "INJUSDT", YESTERDAY, now_ms=NOW_MS)
    found = BinanceArchive(http, market=market).read_trades(file)
    assert found is not None
    rows = found.rows
    assert len(rows) > 100
    assert (np.diff(rows.agg_id) == 1).all()
    assert (np.diff(rows.time_ms) >= 0).all()
    told = rest(
        url, f"{REST[market]}/aggTrades", symbol="INJUSDT", fromId=int(rows.agg_id[0]), limit=500
    )
    first = len(told)
    assert rows.price[:first].tolist() == [float(row["p"]) for row in told]
    assert rows.quantity[:first].tolist() == [float(row["q"]) for row in told]
    assert rows.time_ms[:first].tolist() == [row["T"] for row in told]
    assert rows.buyer_maker[:first].tolist() == [row["m"] for row in told]


def test_a_month_of_funding_states_its_interval(http: HttpClient) -> None:
    june = Span(1_748_736_000_000, 1_751_328_000_000)
    (file,) = plan_funding_files("BTCUSDT", june, now_ms=NOW_MS)
    found = BinanceArchive(http, market="um").read_funding(file)
    assert found is not None
    assert len(found.rows) >= 30 * 3 - 1
    assert set((found.rows.interval_ms % 3_600_000).tolist()) == {0}


def test_today_is_neither_planned_nor_published(http: HttpClient) -> None:
    today = Span(TODAY_MS, TODAY_MS + DAY_MS)
    assert plan_files("spot", "BTCUSDT", M1, today, now_ms=NOW_MS) == []
    (file,) = plan_files("spot", "BTCUSDT", M1, today, now_ms=NOW_MS + DAY_MS)
    assert BinanceArchive(http, market="spot").read_candles(file) is None


def test_the_checksum_tells_that_a_file_was_replaced(url: str, http: HttpClient) -> None:
    archive = BinanceArchive(http, market="spot")
    (file,) = plan_files("spot", "ETHUSDT", M1, YESTERDAY, now_ms=NOW_MS)
    before = archive.read_candles(file)
    assert before is not None
    assert archive.published_sha256(file) == before.sha256
    hole = {
        "kind": "missing",
        "symbol": "ETHUSDT",
        "start": YESTERDAY.start_ms,
        "end": YESTERDAY.start_ms + 10 * M1.length_ms,
    }
    request = urllib.request.Request(  # noqa: S310
        f"{url}/sim/amendments", json.dumps(hole).encode(), method="POST"
    )
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
        assert response.status == 200
    stated = archive.published_sha256(file)
    after = archive.read_candles(file)
    assert after is not None
    assert stated == after.sha256 != before.sha256
    assert len(stated or "") == hashlib.sha256().digest_size * 2
    assert len(after.rows) == len(before.rows) - 10
