"""ccxt through our session: scripted answers of several exchanges, and the bundled simulator."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from include.exchanges.ccxt_venue.client import CcxtSource
from include.exchanges.ccxt_venue.exchange import move_host, rate_limit_of
from include.exchanges.rows import join_candles, join_trades
from include.market.errors import (
    DepthExhaustedError,
    FinalError,
    InvalidInputError,
    UnknownInstrumentError,
)
from include.market.span import Span
from include.market.timeframe import M1, M30
from tests.support.ccxt_exchanges import (
    BINANCE_INFO,
    BINANCE_TIME,
    COINBASE_PRODUCTS,
    COINBASE_TIME,
    END_MS,
    KRAKEN_PAIRS,
    KRAKEN_TIME,
    NOW_MS,
    Counting,
    coinbase_page,
    kraken_page,
    minutes,
    page,
    scripted,
    source_at,
)
from tests.support.http_server import answer
from tests.support.simulator import ROOT, run_simulator


@pytest.fixture(scope="module")
def simulator() -> Iterator[str]:
    arguments = ("--clock", f"frozen:{NOW_MS}", "--seed", "7", "--outages-per-year", "0")
    with run_simulator(*arguments) as base_url:
        yield base_url


def test_the_library_is_not_loaded_before_a_source_is_made() -> None:
    code = (
        "import sys, include.exchanges.ccxt_venue.client as c; print('ccxt' in sys.modules);"
        "from include.exchanges.governor import LocalGovernor;"
        "from include.market.rate_limit import RateLimit;"
        "c.CcxtSource('kraken', governor=LocalGovernor(RateLimit('x', 9)));"
        "print('ccxt' in sys.modules)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == ["False", "True"]


def test_the_simulators_candles_come_whole_with_every_column(simulator: str) -> None:
    with source_at(simulator) as (source, governor):
        assert source.server_time_ms() == NOW_MS
        span = Span(END_MS - 2500 * 60_000, END_MS)
        pages = list(source.candles("BTC/USDT", M1, span, page_limit=1000))
        first_ms = source.first_open_ms("BTC/USDT", M1)
    rows = join_candles([got.rows for got in pages])
    assert rows.open_ms.tolist() == list(range(span.start_ms, span.end_ms, 60_000))
    assert np.isfinite(rows.values).all()
    assert first_ms is not None
    assert first_ms < span.start_ms
    # One for each page, the clock, the markets and the first candle.
    assert governor.granted == len(pages) + 3


def test_the_simulators_instruments_trades_and_funding_come_through(simulator: str) -> None:
    span = Span(END_MS - 7_200_000, END_MS)
    with source_at(simulator) as (spot, _):
        record = spot.instruments(["ETH/USDT", "BTC/USDT"])[1]
        trades = join_trades(
            [got.rows for got in spot.agg_trades("BTC/USDT", span, page_limit=1000)]
        )
    assert (record.symbol, record.kind, record.tick_size) == ("BTC/USDT", "spot", "0.01")
    assert (np.diff(trades.agg_id) == 1).all()
    assert len(trades) > 1000
    with source_at(simulator, "binanceusdm") as (swap, _):
        month = Span(END_MS - 30 * 86_400_000, END_MS)
        pages = list(swap.funding_rates("BTC/USDT:USDT", month, page_limit=1000))
        assert swap.funding_intervals_ms() == {}
    assert sum(len(got.rows) for got in pages) == 90
    assert {int(ms) for got in pages for ms in got.rows.interval_ms} == {8 * 3_600_000}


def test_an_empty_answer_is_not_believed_at_once() -> None:
    with scripted(BINANCE_INFO, BINANCE_TIME, answer(b"[]"), page(3, 2, 1)) as (source, _, _):
        assert minutes(source, 3, 0) == [3, 2, 1]


def test_an_answer_that_stays_empty_is_one_empty_page() -> None:
    with scripted(BINANCE_INFO, BINANCE_TIME, answer(b"[]")) as (source, script, _):
        assert minutes(source, 3, 0) == []
    assert len(script.requests) == 4


def test_the_candle_still_forming_is_left_out_by_the_exchanges_clock() -> None:
    with scripted(BINANCE_INFO, BINANCE_TIME, page(2, 1, 0), page(1, 0)) as (source, _, _):
        assert minutes(source, 2, -1) == [2, 1]


def test_a_page_out_of_order_is_put_in_order() -> None:
    with scripted(BINANCE_INFO, BINANCE_TIME, page(1, 3, 2)) as (source, _, _):
        assert minutes(source, 3, 0) == [3, 2, 1]


def test_kraken_says_that_its_depth_is_exhausted_before_it_is_asked() -> None:
    with (
        scripted(KRAKEN_PAIRS, KRAKEN_TIME, exchange="kraken") as (source, script, _),
        pytest.raises(DepthExhaustedError, match="depth_exhausted") as caught,
    ):
        minutes(source, 5000, 0, "BTC/USD")
    assert caught.value.oldest_ms == END_MS - 719 * 60_000
    assert not any("OHLC" in line for line in script.requests)


def test_an_exchange_that_ignores_the_start_says_so_instead_of_nothing() -> None:
    newest = kraken_page(10, 9, 8)
    with (
        scripted(KRAKEN_PAIRS, KRAKEN_TIME, newest, exchange="kraken") as (source, _, _),
        pytest.raises(DepthExhaustedError, match="depth_exhausted") as caught,
    ):
        minutes(source, 300, 200, "BTC/USD")
    assert caught.value.oldest_ms == END_MS - 10 * 60_000


def test_a_quiet_window_is_not_mistaken_for_the_end_of_the_depth() -> None:
    after, around = kraken_page(100, 99), kraken_page(400, 100, 99)
    answers = (KRAKEN_PAIRS, KRAKEN_TIME, after, around)
    with scripted(*answers, exchange="kraken") as (source, _, _):
        assert minutes(source, 300, 297, "BTC/USD") == []


def test_krakens_six_columns_leave_the_others_open() -> None:
    answers = (KRAKEN_PAIRS, KRAKEN_TIME, kraken_page(3, 2, 1, 0))
    with scripted(*answers, exchange="kraken") as (source, _, _):
        span = Span(END_MS - 180_000, END_MS)
        rows = next(source.candles("BTC/USD", M1, span, page_limit=720)).rows
        record = source.instruments(["BTC/USD"])[0]
    assert rows.values[0, :5].tolist() == [100, 102, 99, 101, 10]
    assert np.isnan(rows.values[:, 5:]).all()
    assert (record.tick_size, record.lot_size) == ("0.1", "0.00000001")


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda s: s.instruments(["NOPE/USDT"]), UnknownInstrumentError),
        (
            lambda s: list(s.candles("NOPE/USDT", M1, Span(0, 1), page_limit=9)),
            UnknownInstrumentError,
        ),
        (lambda s: list(s.funding_rates("BTC/USDT", Span(0, 1), page_limit=9)), FinalError),
    ],
)
def test_what_the_exchange_does_not_have_is_said(call: Any, error: type[Exception]) -> None:
    with (
        scripted(BINANCE_INFO, BINANCE_TIME) as (source, _, _),
        pytest.raises(error, match="ccxt:binance"),
    ):
        call(source)


def test_what_an_exchange_has_no_history_of_is_refused_without_asking() -> None:
    with scripted(BINANCE_INFO, exchange="coinbaseexchange") as (source, script, _):
        for call in (source.agg_trades, source.funding_rates):
            with pytest.raises(FinalError, match="gives no history"):
                next(call("BTC/USD", Span(0, 1), page_limit=9))
        with pytest.raises(FinalError, match="no candles of 30m"):
            next(source.candles("BTC/USD", M30, Span(0, 1), page_limit=9))
    assert script.requests == []


def test_the_shared_limit_is_ccxts_own_pace() -> None:
    limit = rate_limit_of("kraken")
    assert (limit.scope, limit.weight, limit.window_s) == ("ccxt:kraken", 60, 60)


def test_an_exchange_that_does_not_exist_is_named() -> None:
    with pytest.raises(InvalidInputError, match="'nope'"):
        rate_limit_of("nope")
    with pytest.raises(InvalidInputError, match="'nope'"):
        CcxtSource("nope", governor=Counting())


def test_the_host_is_replaced_wherever_ccxt_keeps_it() -> None:
    urls = {"public": "https://api.x.com/v5", "deep": {"ws": "https://{hostname}"}, "n": None}
    assert move_host(urls, "http://127.0.0.1:1/") == {
        "public": "http://127.0.0.1:1/v5", "deep": {"ws": "http://127.0.0.1:1"}, "n": None,
    }  # fmt: skip


def test_the_first_candle_is_searched_by_days_and_then_by_minutes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    day_ms = 86_400_000
    today_ms = NOW_MS // day_ms * day_ms
    listed_ms = today_ms - 40 * day_ms + 15 * 60_000
    monkeypatch.setattr("include.exchanges.ccxt_venue.client.FIRST_DAY_MS", today_ms - 350 * day_ms)
    empty, days = answer(b"[]"), coinbase_page(today_ms - 40 * day_ms, today_ms - 39 * day_ms)
    # The minutes are searched from the day before, 300 at a time, every empty page twice.
    answers = [
        COINBASE_TIME,
        COINBASE_PRODUCTS,
        empty,
        days,
        *[empty] * 9,
        coinbase_page(listed_ms),
    ]
    with scripted(*answers, exchange="coinbaseexchange") as (source, _, _):
        assert source.first_open_ms("BTC/USD", M1) == listed_ms


def test_coinbases_columns_and_silent_minutes_are_read_as_they_are() -> None:
    sent = coinbase_page(END_MS - 240_000, END_MS - 60_000)
    answers = (COINBASE_PRODUCTS, COINBASE_TIME, sent)
    with scripted(*answers, exchange="coinbaseexchange") as (source, script, _):
        span = Span(END_MS - 240_000, END_MS)
        rows = next(source.candles("BTC/USD", M1, span, page_limit=300)).rows
        assert source.traits.absent_means == "no_trade"
    assert rows.open_ms.tolist() == [END_MS - 240_000, END_MS - 60_000]
    assert rows.values[0, :5].tolist() == [100, 102, 99, 101, 10]
    assert "granularity=60" in script.requests[2]
