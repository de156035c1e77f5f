"""Which instruments the synthetic market lists, with levels, grids and liquidity that fit."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from include.market.errors import InvalidInputError
from include.simulator.keyed import keyed_uniform

SYMBOL_PATTERN = re.compile(r"[A-Z0-9]{5,20}")
MAX_DECIMALS = 8
"""Prices, quantities and their products are written with this many decimals, exactly."""
SPOT, USDM = "spot", "usdm"
VENUES = (SPOT, USDM)
"""The two markets of the simulated exchange: spot and perpetual futures margined in dollars."""


@dataclass(frozen=True, slots=True)
class Asset:
    """What an asset is like: price level in dollars, volatility and market sensitivity.

    ``volatility`` scales its own noise (0: a fixed price), ``beta`` its share of the market's.
    ``trades_per_day`` is for its pair against a dollar.
    """

    code: str
    level: float
    volatility: float
    beta: float
    trades_per_day: int


@dataclass(frozen=True, slots=True)
class Listing:
    """One symbol of a simulated venue; sizes are powers of ten, ``10 ** -decimals``."""

    symbol: str
    base: str
    quote: str
    tick_decimals: int
    lot_decimals: int
    trades_per_day: int = 0
    mean_lots: float = 1.0
    venue: str = SPOT

    @property
    def key(self) -> str:
        """Name under which the symbol's trading is drawn: another one at each venue."""
        return self.symbol if self.venue == SPOT else f"{self.symbol}@{self.venue}"

    @property
    def tick_size(self) -> str:
        """Smallest price step as decimal text with 8 decimals."""
        return f"{10.0**-self.tick_decimals:.8f}"

    @property
    def lot_size(self) -> str:
        """Smallest quantity step as decimal text with 8 decimals."""
        return f"{10.0**-self.lot_decimals:.8f}"


_ASSETS = {
    asset.code: asset
    for asset in (
        Asset("BTC", 62_000.0, 1.0, 1.0, 420_000),
        Asset("ETH", 3_000.0, 1.15, 1.1, 380_000),
        Asset("SOL", 150.0, 1.5, 1.25, 220_000),
        Asset("XRP", 1.2, 1.4, 1.0, 180_000),
        Asset("BNB", 580.0, 0.9, 0.85, 120_000),
        Asset("ADA", 0.55, 1.4, 1.1, 70_000),
        Asset("DOGE", 0.15, 1.7, 1.2, 110_000),
        Asset("LTC", 85.0, 1.2, 1.0, 45_000),
        Asset("LINK", 15.0, 1.4, 1.1, 50_000),
        Asset("DOT", 6.0, 1.3, 1.1, 35_000),
        Asset("AVAX", 28.0, 1.5, 1.2, 50_000),
        Asset("TRX", 0.12, 0.8, 0.6, 30_000),
        Asset("BCH", 420.0, 1.3, 1.0, 25_000),
        Asset("ATOM", 8.0, 1.3, 1.1, 20_000),
        Asset("NEAR", 4.5, 1.6, 1.2, 25_000),
        Asset("FIL", 4.2, 1.5, 1.1, 18_000),
        Asset("UNI", 8.5, 1.5, 1.1, 20_000),
        Asset("ETC", 22.0, 1.3, 1.0, 15_000),
        Asset("XLM", 0.12, 1.3, 1.0, 14_000),
    )
}
_FIXED = {"EUR": 1.08, "GBP": 1.27, "AUD": 0.66, "BRL": 0.19, "TRY": 0.03, "JPY": 0.0067}
_DOLLARS = ("USDT", "USDC", "FDUSD", "TUSD", "BUSD", "DAI", "USD")
_MARGINS = ("USDT", "USDC")
_QUOTES = (*_DOLLARS, "BTC", "ETH", "BNB", *_FIXED)
# Grids as Binance lists them where the level alone would give another one.
_GRIDS = {"BTCUSDT": (2, 5), "ETHUSDT": (2, 4), "SOLUSDT": (2, 3), "BNBUSDT": (2, 3)}
_GRIDS |= {"XRPUSDT": (4, 1), "ADAUSDT": (4, 1), "DOGEUSDT": (5, 0), "ETHBTC": (5, 3)}
_MEAN_TRADE_DOLLARS = 900.0

DEFAULT_SYMBOLS = (
    "BTCUSDT",
    "ETHUSDT",
    "SOLUSDT",
    "XRPUSDT",
    "BNBUSDT",
    "ADAUSDT",
    "DOGEUSDT",
    "ETHBTC",
)


def describe_asset(code: str) -> Asset:
    """Return the table's asset, or for an unknown code one invented from its name alone."""
    if code in _ASSETS:
        return _ASSETS[code]
    if code in _DOLLARS or code in _FIXED:
        return Asset(code, _FIXED.get(code, 1.0), 0.0, 0.0, 60_000)
    level = 0.05 * 1000.0 ** keyed_uniform("level", code)
    volatility = 1.2 + 0.8 * keyed_uniform("volatility", code)
    trades = int(4_000 + 30_000 * keyed_uniform("trades", code))
    return Asset(code, level, volatility, 0.8 + 0.5 * keyed_uniform("beta", code), trades)


def split_symbol(symbol: str) -> tuple[str, str]:
    """Return base and quote asset: the longest known quote asset that ends the symbol.

    Where none does, the last three letters (four in symbols of eight and more) are the quote.
    """
    for quote in sorted(_QUOTES, key=len, reverse=True):
        if symbol.endswith(quote) and len(symbol) > len(quote):
            return symbol.removesuffix(quote), quote
    cut = -4 if len(symbol) >= 8 else -3
    return symbol[:cut], symbol[cut:]


def list_symbol(symbol: str) -> Listing:
    """Return the listing of any symbol of letters and digits.

    Raises:
        InvalidInputError: the symbol is not 5 to 20 of A-Z and 0-9.
    """
    if not SYMBOL_PATTERN.fullmatch(symbol):
        raise InvalidInputError(
            f"instrument {symbol!r} is not a symbol: write 5 to 20 of A-Z and 0-9, e.g. BTCUSDT"
        )
    base, quote = (describe_asset(code) for code in split_symbol(symbol))
    tick_decimals, lot_decimals = _GRIDS.get(symbol) or _grid(base.level, quote.level)
    share = 1.0 if quote.code in _DOLLARS else 0.05
    mean_lots = _MEAN_TRADE_DOLLARS / base.level * 10**lot_decimals
    return Listing(
        symbol=symbol,
        base=base.code,
        quote=quote.code,
        tick_decimals=tick_decimals,
        lot_decimals=lot_decimals,
        trades_per_day=max(2_880, int(base.trades_per_day * share)),
        mean_lots=max(3.0, mean_lots),
    )


def list_symbols(symbols: Sequence[str]) -> dict[str, Listing]:
    """Return the listings by symbol, in the order given.

    Raises:
        InvalidInputError: none given, one repeated, or one that is no symbol.
    """
    if not symbols:
        raise InvalidInputError("no instruments given: name at least one, e.g. BTCUSDT")
    if len(set(symbols)) != len(symbols):
        repeated = sorted({symbol for symbol in symbols if symbols.count(symbol) > 1})
        raise InvalidInputError(f"instruments repeat {', '.join(repeated)}: name each once")
    return {symbol: list_symbol(symbol) for symbol in symbols}


def list_perpetuals(listings: Mapping[str, Listing]) -> dict[str, Listing]:
    """Return the perpetual futures on those of ``listings`` that are quoted in a margin asset."""
    return {
        symbol: replace(listing, venue=USDM)
        for symbol, listing in listings.items()
        if listing.quote in _MARGINS
    }


def _grid(base_level: float, quote_level: float) -> tuple[int, int]:
    ticks = 4 - math.floor(math.log10(base_level / quote_level))
    tick_decimals = min(max(ticks, 0), MAX_DECIMALS)
    lots = math.floor(math.log10(base_level)) + 1
    return tick_decimals, min(max(lots, 0), MAX_DECIMALS - tick_decimals)
