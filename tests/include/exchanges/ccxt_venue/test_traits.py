"""The table of habits: every entry is usable and about an exchange that exists."""

from __future__ import annotations

import pytest

from include.exchanges.ccxt_venue.exchange import load_ccxt
from include.exchanges.ccxt_venue.traits import DEFAULT, SIX_COLUMNS, TRAITS, traits_of
from include.market.candle import VALUE_COLUMNS

ENTRIES = [*TRAITS.items(), ("any other", DEFAULT)]


def test_the_table_has_the_exchanges_people_ask_for() -> None:
    asked = "binance binanceusdm kraken coinbase coinbaseexchange okx bybit bitfinex kucoin gate"
    assert set(f"{asked} mexc htx bitget hyperliquid".split()) <= TRAITS.keys()


@pytest.mark.parametrize("exchange", sorted(TRAITS))
def test_ccxt_knows_the_exchange_and_what_the_entry_promises(exchange: str) -> None:
    ccxt = load_ccxt()
    assert exchange in ccxt.exchanges
    known = getattr(ccxt, exchange)()
    habits = TRAITS[exchange]
    assert known.has["fetchOHLCV"] is True
    assert ("1m" in known.timeframes) == habits.has_minutes
    assert habits.trades_page is None or known.has["fetchTrades"] is True
    assert habits.funding_page is None or known.has["fetchFundingRateHistory"] is True


@pytest.mark.parametrize(("exchange", "habits"), ENTRIES, ids=[name for name, _ in ENTRIES])
def test_every_entry_can_be_paged_by(exchange: str, habits: object) -> None:
    found = traits_of(exchange)
    assert found == habits
    candles = found.candles
    assert 2 <= candles.page_limit <= 10_000
    assert candles.range_rule in ("oldest", "window")
    assert candles.absent_means in ("outage", "no_trade", "unknown")
    assert set(candles.absent_columns) <= set(VALUE_COLUMNS)
    assert bool(candles.absent_columns) == (found.wire == "ccxt")
    assert candles.depth_candles is None or candles.depth_candles >= candles.page_limit
    for page in (found.contract_page, found.trades_page, found.funding_page):
        assert page is None or page >= 2
    # A range that is not cut at its oldest rows must never be longer than one page.
    assert candles.range_rule == "window" or found.bounds_end


def test_an_exchange_nobody_has_looked_at_is_believed_in_nothing() -> None:
    assert (DEFAULT.candles.range_rule, DEFAULT.candles.absent_means) == ("window", "unknown")
    assert DEFAULT.candles.absent_columns == SIX_COLUMNS
    assert (DEFAULT.trades_page, DEFAULT.funding_page) == (None, None)
