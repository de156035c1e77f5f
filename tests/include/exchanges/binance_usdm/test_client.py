"""The futures client against scripted answers and the bundled simulator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from include.exchanges.base import FundingSource, ListingSource
from include.exchanges.binance_spot.client import BinanceSpot
from include.exchanges.binance_usdm.client import (
    FUNDING_SCOPE,
    KLINES_PER_PAGE,
    RATE_LIMITS,
    BinanceUsdm,
    weigh_klines,
)
from include.exchanges.binance_usdm.trades import BinanceUsdmTrades
from include.exchanges.funding_pages import HOUR_MS
from include.exchanges.governor import LocalGovernor
from include.exchanges.http import HttpClient, HttpSettings
from include.exchanges.rows import join_candles, join_trades
from include.market.errors import ContractError, DepthExhaustedError, UnknownInstrumentError
from include.market.span import Span
from include.market.timeframe import M1, M5
from tests.support.http_server import Script, answer, serve
from tests.support.klines import body, kline
from tests.support.simulator import run_simulator

BASE = 1_700_006_400_000
SIMULATED_NOW_MS = 1_750_000_000_000
END_MS = SIMULATED_NOW_MS // 60_000 * 60_000


class CountingGovernor(LocalGovernor):
    """Keeps what was asked for."""

    def __init__(self) -> None:
        super().__init__(*RATE_LIMITS)
        self.granted: list[tuple[int, str | None]] = []

    def acquire(self, weight: int, *, scope: str | None = None) -> None:
        self.granted.append((weight, scope))
        super().acquire(weight, scope=scope)


@contextmanager
def client_of(base_url: str) -> Iterator[tuple[HttpClient, CountingGovernor]]:
    governor = CountingGovernor()
    client = HttpClient(base_url, HttpSettings(attempts=1), governor=governor)
    yield client, governor
    client.close()


@contextmanager
def scripted(*answers: bytes) -> Iterator[tuple[BinanceUsdm, Script, CountingGovernor]]:
    with serve(*answers) as script, client_of(script.base_url) as (client, governor):
        yield BinanceUsdm(client), script, governor


@pytest.fixture(scope="module")
def simulator() -> Iterator[str]:
    arguments = ("--clock", f"frozen:{SIMULATED_NOW_MS}", "--seed", "7", "--outages-per-year", "0")
    with run_simulator(*arguments) as base_url:
        yield base_url


def payment(hour: int) -> dict[str, object]:
    return {"symbol": "BTCUSDT", "fundingTime": BASE + hour * HOUR_MS + 3, "fundingRate": "0.0001"}


def test_the_page_size_gives_the_most_candles_for_their_weight() -> None:
    rates = {limit: limit / weigh_klines(limit) for limit in (99, 100, 499, 500, 1000, 1001, 1500)}
    assert max(rates, key=lambda limit: rates[limit]) == KLINES_PER_PAGE
    assert [weigh_klines(limit) for limit in (1, 99, 100, 499, 500, 1000, 1001, 1500)] == [
        1, 1, 2, 2, 5, 5, 10, 10,
    ]  # fmt: skip


def test_candles_are_asked_as_documented_and_weighed_by_their_limit() -> None:
    rows = answer(body(kline(BASE + n * 60_000) for n in range(3)))
    with scripted(rows) as (source, script, governor):
        pages = list(source.candles("BTCUSDT", M1, Span(BASE, BASE + 180_000), page_limit=1000))
    assert [len(page.rows) for page in pages] == [3]
    assert script.requests[0] == (
        f"GET /fapi/v1/klines?symbol=BTCUSDT&interval=1m&startTime={BASE}&endTime={BASE + 179_999}"
        f"&limit={KLINES_PER_PAGE} HTTP/1.1"
    )
    assert governor.granted[0] == (2, None)


def test_funding_has_its_own_limit_and_takes_eight_hours_where_nothing_is_stated() -> None:
    sent = [b"[]", json.dumps([payment(0)]).encode()]
    with scripted(*(answer(text) for text in sent)) as (source, script, governor):
        span = Span(BASE, BASE + 2 * HOUR_MS)
        pages = list(source.funding_rates("BTCUSDT", span, page_limit=5000))
    assert [page.rows.interval_ms.tolist() for page in pages] == [[8 * HOUR_MS]]
    assert {scope for _, scope in governor.granted} == {FUNDING_SCOPE}
    assert f"startTime={BASE}&endTime={BASE + 2 * HOUR_MS - 1}&limit=1000" in script.requests[1]


def test_stated_intervals_are_asked_for_once() -> None:
    info = answer(b'[{"symbol":"BTCUSDT","fundingIntervalHours":4}]')
    one = answer(json.dumps([payment(0)]).encode())
    with scripted(info, one) as (source, script, _):
        for _ in range(2):
            pages = list(source.funding_rates("BTCUSDT", Span(BASE, BASE + HOUR_MS), page_limit=9))
    assert pages[0].rows.interval_ms.tolist() == [4 * HOUR_MS]
    assert sum("fundingInfo" in line for line in script.requests) == 1


def test_an_unlisted_symbol_is_named_with_the_remedy() -> None:
    with (
        scripted(answer(b'{"symbols":[]}')) as (source, _, _),
        pytest.raises(UnknownInstrumentError, match=r"NOPEUSDT.*Variable universe"),
    ):
        source.instruments(["NOPEUSDT"])


def test_one_answer_lists_every_contract(simulator: str) -> None:
    with client_of(simulator) as (client, governor):
        source = BinanceUsdm(client)
        assert isinstance(source, ListingSource)
        assert isinstance(source, FundingSource)
        listed = source.listing()
        assert governor.granted == [(1, None)]
        assert source.instruments(["BTCUSDT"]) == [
            record for record in listed if record.symbol == "BTCUSDT"
        ]
    assert len({record.symbol for record in listed}) == len(listed) > 3
    # Binance writes symbols in capital letters, and all pay every 8 hours unless stated.
    assert source.venue.symbol_case == BinanceSpot.venue.symbol_case == "upper"
    assert source.traits.funding_interval_ms == 8 * HOUR_MS


@pytest.mark.parametrize("text", [b"{}", b"[]", b'{"serverTime":"1"}'])
def test_a_clock_in_another_format_is_a_broken_contract(text: bytes) -> None:
    with scripted(answer(text)) as (source, _, _), pytest.raises(ContractError, match="serverTime"):
        source.server_time_ms()


def test_the_simulators_futures_candles_come_whole(simulator: str) -> None:
    with client_of(simulator) as (client, _):
        source = BinanceUsdm(client)
        assert source.server_time_ms() == SIMULATED_NOW_MS
        assert source.instruments(["ETHUSDT", "BTCUSDT"])[0].symbol == "ETHUSDT"
        span = Span(END_MS - 1200 * 60_000, END_MS)
        pages = list(source.candles("BTCUSDT", M1, span, page_limit=1500))
        first_ms = source.first_open_ms("BTCUSDT", M5)
    opens = join_candles([page.rows for page in pages]).open_ms
    assert opens.tolist() == list(range(span.start_ms, span.end_ms, 60_000))
    assert first_ms is not None
    assert first_ms < END_MS


def test_the_simulators_payments_show_their_interval(simulator: str) -> None:
    with client_of(simulator) as (client, _):
        source = BinanceUsdm(client)
        for symbol, hours in (("BTCUSDT", 8), ("SOLUSDT", 4)):
            span = Span(END_MS - 400 * HOUR_MS, END_MS)
            pages = list(source.funding_rates(symbol, span, page_limit=20))
            assert sum(len(page.rows) for page in pages) == 400 // hours
            assert {int(ms) for page in pages for ms in page.rows.interval_ms} == {hours * HOUR_MS}
            assert not any(page.missing for page in pages)


def test_the_simulators_futures_trades_come_whole(simulator: str) -> None:
    span = Span(END_MS - 5 * HOUR_MS // 2, END_MS)
    with client_of(simulator) as (client, governor):
        pages = list(BinanceUsdmTrades(client).agg_trades("BTCUSDT", span, page_limit=1000))
    rows = join_trades([page.rows for page in pages])
    assert len(pages) > 1
    assert (np.diff(rows.agg_id) > 0).all()
    assert span.start_ms <= rows.time_ms[0] < rows.time_ms[-1] < span.end_ms
    assert sum(page.flawed for page in pages) == 0
    assert governor.granted[1] == (20, None)


def test_trades_older_than_the_venue_keeps_are_said_to_be_gone(simulator: str) -> None:
    span = Span(END_MS - 49 * HOUR_MS, END_MS)
    with (
        client_of(simulator) as (client, _),
        pytest.raises(DepthExhaustedError, match="48 hours") as caught,
    ):
        next(BinanceUsdmTrades(client).agg_trades("BTCUSDT", span, page_limit=1000))
    assert caught.value.oldest_ms == SIMULATED_NOW_MS - 48 * HOUR_MS
