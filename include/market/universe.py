"""Which instruments to follow, per venue: the Variable ``universe``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from include.market.errors import InvalidInputError

SYMBOL = re.compile(r"[A-Z0-9._:/-]{1,40}")
VENUE = re.compile(r"[a-z][a-z0-9_]{0,30}(:[a-z0-9_]{1,30})?")

Way: TypeAlias = Literal["archive", "rest"]
WAYS: Final = ("archive", "rest")
_VENUE_KEYS: Final = ("symbols", "history", "files")
_INSTRUMENT_KEYS: Final = ("symbol", "history")


@dataclass(frozen=True, slots=True)
class VenueOptions:
    """How one venue's instruments are reached.

    ``history`` is the order in which ways to old candles are tried, None for the venue's default;
    ``instruments`` overrides it by symbol. ``files`` describes the folder of a ``files:`` venue.
    """

    history: tuple[Way, ...] | None = None
    instruments: Mapping[str, tuple[Way, ...]] = field(default_factory=dict)
    files: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Universe:
    """Symbols to follow, by venue name, and what is particular about a venue."""

    venues: dict[str, tuple[str, ...]]
    options: Mapping[str, VenueOptions] = field(default_factory=dict)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Yield every (venue, symbol) pair, in the order written."""
        for venue, symbols in self.venues.items():
            for symbol in symbols:
                yield venue, symbol

    def history(self, venue: str, symbol: str) -> tuple[Way, ...] | None:
        """Return the ways to old candles in their order, None where nobody chose."""
        options = self.options.get(venue, VenueOptions())
        return options.instruments.get(symbol, options.history)


def parse_universe(text: str) -> Universe:
    """Read ``{"<venue>": ["SYMBOL", …]}``.

    A venue with options is written
    ``{"<venue>": {"symbols": […], "history": ["archive", "rest"], "files": {…}}}``. A symbol with a
    history of its own is written ``{"symbol": "BTCUSDT", "history": ["rest"]}``.

    Raises:
        InvalidInputError: not JSON, not that shape, a doubtful or repeated name, an unknown key.
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
    venues, options = {}, {}
    for venue, entry in document.items():
        venues[venue], options[venue] = _parse_venue(venue, entry)
    return Universe(venues, options)


def _parse_venue(venue: str, entry: object) -> tuple[tuple[str, ...], VenueOptions]:
    where = f"Variable universe, venue {venue!r}"
    if not VENUE.fullmatch(venue):
        raise InvalidInputError(f"{where}: a venue is named like {VENUE.pattern}")
    written = entry if isinstance(entry, dict) else {"symbols": entry}
    _require_keys(written, _VENUE_KEYS, where)
    symbols = written.get("symbols")
    if not isinstance(symbols, list) or not symbols:
        raise InvalidInputError(f"{where}: expected a list of symbols, was {symbols!r}")
    files = written.get("files")
    if files is not None and not isinstance(files, dict):
        raise InvalidInputError(f"{where}: files must be an object, was {files!r}")
    names, instruments = _parse_symbols(symbols, where)
    history = _parse_history(written["history"], where) if "history" in written else None
    return names, VenueOptions(history, instruments, files)


def _parse_symbols(
    symbols: list[Any], where: str
) -> tuple[tuple[str, ...], dict[str, tuple[Way, ...]]]:
    names: list[str] = []
    history: dict[str, tuple[Way, ...]] = {}
    for written in symbols:
        entry = written if isinstance(written, dict) else {"symbol": written}
        _require_keys(entry, _INSTRUMENT_KEYS, where)
        symbol = entry.get("symbol")
        if not isinstance(symbol, str) or not SYMBOL.fullmatch(symbol):
            raise InvalidInputError(
                f"{where}: symbol {symbol!r} is not of the form {SYMBOL.pattern}"
            )
        names.append(symbol)
        if "history" in entry:
            history[symbol] = _parse_history(entry["history"], f"{where}, {symbol}")
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise InvalidInputError(f"{where}: repeated {', '.join(repeated)}")
    return tuple(names), history


def _parse_history(written: object, where: str) -> tuple[Way, ...]:
    ways = [written] if isinstance(written, str) else written
    if not isinstance(ways, list) or not ways or set(map(str, ways)) - set(WAYS):
        raise InvalidInputError(
            f"{where}: history must be a list of {' and '.join(WAYS)}, was {written!r}"
        )
    return tuple(dict.fromkeys(ways))


def _require_keys(entry: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    if unknown := sorted(set(entry) - set(known)):
        raise InvalidInputError(
            f"{where}: unknown key {', '.join(unknown)}; choose from {', '.join(known)}"
        )


def _shown(text: str) -> str:
    return repr(text if len(text) <= 120 else text[:117] + "...")
