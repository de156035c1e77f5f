"""How exchanges answer through ccxt, as data. Pure.

ccxt hides the wire but not the habits behind it. Each entry says where it is known from:
"source" is the exchange's ``fetch_ohlcv`` in ccxt 4.5.64, "docs" the exchange's own documentation,
"recorded" a recording of its answers, "reported" an issue in ccxt or a downloader built on it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from include.exchanges.traits import VenueTraits

SIX_COLUMNS = ("quote_volume", "taker_buy_volume", "taker_buy_quote_volume", "trade_count")
"""Candle columns that ccxt's ``[time, open, high, low, close, volume]`` cannot carry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CcxtTraits:
    """One exchange's habits behind ccxt.

    ``candles`` are its candle habits. ``contract_page`` is the page limit for swaps and futures
    where it differs; ``limit_on_contracts`` tells that a limit may be sent with a start there.
    ``since_exclusive``: a candle that opens at ``since`` is left out. ``bounds_end``: ccxt passes
    ``until`` on. ``sort_order`` is that of the raw answer (ccxt sorts; kept because a cut answer
    loses the other end). ``wire`` names raw answers that we can read ourselves, with all columns.
    ``trades_page``, ``funding_page``: rows a page where history can be walked from a time, else
    None. ``options`` are given to ccxt.
    """

    candles: VenueTraits
    contract_page: int | None = None
    limit_on_contracts: bool = True
    since_exclusive: bool = False
    bounds_end: bool = False
    sort_order: Literal["oldest_first", "newest_first", "unknown"] = "unknown"
    has_minutes: bool = True
    wire: Literal["binance", "ccxt"] = "ccxt"
    trades_page: int | None = None
    funding_page: int | None = None
    options: dict[str, Any] = field(default_factory=dict)


def _six(page_limit: int, **habits: Any) -> VenueTraits:
    return VenueTraits(page_limit=page_limit, absent_columns=SIX_COLUMNS, **habits)


DEFAULT = CcxtTraits(candles=_six(100))
"""For an exchange nobody has looked at: short windows, and silence means nothing."""

TRAITS: dict[str, CcxtTraits] = {
    # docs: limit 1000, both ends inclusive, oldest of the range first; flat candles without trades.
    "binance": CcxtTraits(
        candles=VenueTraits(page_limit=1000, range_rule="oldest", absent_means="outage"),
        bounds_end=True,
        sort_order="oldest_first",
        wire="binance",
        trades_page=1000,
        options={"fetchMarkets": {"types": ["spot"]}},
    ),
    # docs: as spot, 499 rows are the most for their weight; recorded: flat candles without trades.
    "binanceusdm": CcxtTraits(
        candles=VenueTraits(page_limit=499, range_rule="oldest", absent_means="outage"),
        bounds_end=True,
        sort_order="oldest_first",
        wire="binance",
        trades_page=1000,
        funding_page=1000,
        options={"fetchMarkets": {"types": ["linear"]}},
    ),
    # docs: the newest 720 whatever since is, the last one still open; source: since is exclusive
    # and ccxt steps back one candle by itself. recorded: flat candles of volume 0.
    "kraken": CcxtTraits(
        candles=_six(720, absent_means="outage", depth_candles=720),
        sort_order="oldest_first",
        trades_page=1000,
    ),
    # source: 300 at most, end inclusive, so 299; docs: no candle for a minute without ticks.
    "coinbase": CcxtTraits(
        candles=_six(299, absent_means="no_trade"), bounds_end=True, sort_order="newest_first"
    ),
    # docs: over 300 is refused, newest first, may begin before start, no candle without ticks.
    "coinbaseexchange": CcxtTraits(
        candles=_six(300, absent_means="no_trade"), bounds_end=True, sort_order="newest_first"
    ),
    # docs: newest first, "before" and "after" exclusive; source: ccxt shifts "before" by 1 ms, ends
    # at since + limit candles, and switches to history-candles (300 rows) for older ones.
    "okx": CcxtTraits(candles=_six(300), sort_order="newest_first"),
    # docs: 1000 rows, newest first, includes the candle that holds start; recorded: flat candles.
    "bybit": CcxtTraits(
        candles=_six(1000, absent_means="outage"),
        bounds_end=True,
        sort_order="newest_first",
        funding_page=200,
    ),
    # source: 10000 rows, asked oldest first; recorded: minutes without trades are left out.
    "bitfinex": CcxtTraits(
        candles=_six(10_000, absent_means="no_trade"),
        bounds_end=True,
        sort_order="oldest_first",
        trades_page=10_000,
    ),
    # source: 1500 rows spot, 200 contracts, end at since + limit candles; reported: since is
    # exclusive, and intervals without ticks are left out (docs say so too).
    "kucoin": CcxtTraits(
        candles=_six(1500, absent_means="no_trade"),
        contract_page=200,
        since_exclusive=True,
        sort_order="newest_first",
    ),
    # source: 1000 rows spot, 1999 contracts; docs: 1m only within the newest 10000 candles.
    "gate": CcxtTraits(
        candles=_six(1000, depth_candles=10_000), bounds_end=True, sort_order="oldest_first"
    ),
    # source: "docs say 1000 for spot, but in practice it's 500"; 2000 contracts.
    "mexc": CcxtTraits(candles=_six(500), bounds_end=True, sort_order="oldest_first"),
    # source: 1000 rows spot; contracts take 2000 but then ignore from and to.
    "htx": CcxtTraits(
        candles=_six(1000),
        limit_on_contracts=False,
        bounds_end=True,
        sort_order="newest_first",
    ),
    # source: 1000 recent, 200 history; reported: since is exclusive.
    "bitget": CcxtTraits(
        candles=_six(200), since_exclusive=True, bounds_end=True, sort_order="oldest_first"
    ),
    # docs: only the newest 5000 candles; reported: flat candles are left out first, then published.
    "hyperliquid": CcxtTraits(
        candles=_six(5000, depth_candles=5000),
        bounds_end=True,
        sort_order="oldest_first",
        funding_page=500,
    ),
}


def traits_of(exchange: str) -> CcxtTraits:
    """Return what is known of an exchange, by ccxt's id."""
    return TRAITS.get(exchange, DEFAULT)
