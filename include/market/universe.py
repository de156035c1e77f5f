"""Which instruments to follow, per venue: the Variable ``universe``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from include.market.errors import InvalidInputError

SYMBOL = re.compile(r"[A-Z0-9._:-]{1,40}")
ABSENT_MEANS: dict[str, Literal["outage", "no_trade"]] = {"binance_spot": "outage"}
"""What a minute means that a venue leaves out on being asked twice: an ``outage`` where it writes
flat candles for minutes without trades, ``no_trade`` where it omits those."""
KNOWN_VENUES = tuple(ABSENT_MEANS)


@dataclass(frozen=True, slots=True)
class Universe:
    """Symbols to follow, by venue name."""

    venues: dict[str, tuple[str, ...]]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Yield every (venue, symbol) pair, in the order written."""
        for venue, symbols in self.venues.items():
            for symbol in symbols:
                yield venue, symbol


def parse_universe(text: str) -> Universe:
    """Read ``{"<venue>": ["SYMBOL", …]}``.

    Raises:
        InvalidInputError: not JSON, not that shape, an unknown venue, a doubtful or repeated
            symbol.
    """
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidInputError(
            f"Variable universe is not JSON ({error}): {_shown(text)}"
        ) from None
    if not isinstance(document, dict) or not document:
        raise InvalidInputError(
            'Variable universe must be like {"binance_spot": ["BTCUSDT"]}, was ' + _shown(text)
        )
    return Universe({venue: _parse_symbols(venue, symbols) for venue, symbols in document.items()})


def _parse_symbols(venue: str, symbols: object) -> tuple[str, ...]:
    if venue not in KNOWN_VENUES:
        raise InvalidInputError(
            f"Variable universe names unknown venue {venue!r}: "
            f"choose one of {', '.join(KNOWN_VENUES)}"
        )
    if not isinstance(symbols, list) or not symbols:
        raise InvalidInputError(
            f"Variable universe, venue {venue}: expected a list of symbols, was {symbols!r}"
        )
    for symbol in symbols:
        if not isinstance(symbol, str) or not SYMBOL.fullmatch(symbol):
            raise InvalidInputError(
                f"Variable universe, venue {venue}: symbol {symbol!r} is not of the form "
                f"{SYMBOL.pattern}"
            )
    if len(set(symbols)) != len(symbols):
        repeated = sorted({symbol for symbol in symbols if symbols.count(symbol) > 1})
        raise InvalidInputError(f"Variable universe, venue {venue}: repeated {', '.join(repeated)}")
    return tuple(symbols)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 120 else text[:117] + "...")
