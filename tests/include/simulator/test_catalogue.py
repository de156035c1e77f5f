from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.market.errors import InvalidInputError
from include.simulator.catalogue import (
    DEFAULT_SYMBOLS,
    MAX_DECIMALS,
    describe_asset,
    list_symbol,
    list_symbols,
    split_symbol,
)


@pytest.mark.parametrize(
    ("symbol", "parts"),
    [
        ("BTCUSDT", ("BTC", "USDT")),
        ("ETHBTC", ("ETH", "BTC")),
        ("XRPFDUSD", ("XRP", "FDUSD")),
        ("BTCUSD", ("BTC", "USD")),
        ("ADAQQQ", ("ADA", "QQQ")),
        ("LONGWXYZ", ("LONG", "WXYZ")),
    ],
)
def test_symbols_split_at_the_quote_asset(symbol: str, parts: tuple[str, str]) -> None:
    assert split_symbol(symbol) == parts


@given(st.from_regex(r"[A-Z0-9]{5,12}", fullmatch=True))
def test_any_symbol_gets_grids_whose_product_is_exact(symbol: str) -> None:
    listing = list_symbol(symbol)
    assert listing.base
    assert listing.quote
    assert listing.tick_decimals >= 0
    assert listing.lot_decimals >= 0
    assert listing.tick_decimals + listing.lot_decimals <= MAX_DECIMALS
    assert listing.trades_per_day > 0
    assert listing.mean_lots >= 3.0


def test_well_known_symbols_have_the_venues_grids() -> None:
    listings = list_symbols(DEFAULT_SYMBOLS)
    sizes = {symbol: (listing.tick_size, listing.lot_size) for symbol, listing in listings.items()}
    assert sizes["BTCUSDT"] == ("0.01000000", "0.00001000")
    assert sizes["DOGEUSDT"] == ("0.00001000", "1.00000000")
    assert len(listings) == 8


def test_unknown_assets_are_invented_from_their_name_alone() -> None:
    assert describe_asset("QWERTY") == describe_asset("QWERTY")
    assert describe_asset("QWERTY").level != describe_asset("QWERTZ").level
    assert describe_asset("USDC").volatility == 0.0


@pytest.mark.parametrize(
    ("symbols", "text"),
    [
        ([], "no instruments"),
        (["BTCUSDT", "BTCUSDT"], "repeat BTCUSDT"),
        (["btcusdt"], "'btcusdt' is not a symbol"),
    ],
)
def test_doubtful_lists_are_refused_by_name(symbols: list[str], text: str) -> None:
    with pytest.raises(InvalidInputError, match=text):
        list_symbols(symbols)
