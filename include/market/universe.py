"""Which instruments to follow, per venue: the Variable ``universe``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal, TypeAlias

from include.market.errors import InvalidInputError
from include.market.instrument import Rename
from include.market.outages import StatedOutage, read_outages
from include.market.second_source import SecondSource, read_second_source
from include.market.span import Span, to_ms

SYMBOL = re.compile(r"[A-Z0-9._:/-]{1,40}")
VENUE = re.compile(r"[a-z][a-z0-9_]{0,30}(:[a-z0-9_]{1,30})?")

Way: TypeAlias = Literal["archive", "rest"]
WAYS: Final = ("archive", "rest")
_VENUE_KEYS: Final = (
    "symbols", "history", "files", "calendar", "renames", "outages", "second_source",
)  # fmt: skip
_INSTRUMENT_KEYS: Final = ("symbol", "history")
_RENAME_KEYS: Final = ("old", "new", "at", "factor")
_CALENDAR: Final = re.compile(r"[A-Za-z0-9/_.-]{1,40}")
_FACTORS: Final = (Decimal("1e-12"), Decimal("1e12"))


@dataclass(frozen=True, slots=True)
class VenueOptions:
    """How one venue's instruments are reached.

    ``history`` is the order in which ways to old candles are tried, None for the venue's default;
    ``instruments`` overrides it by symbol. ``files`` describes the folder of a ``files:`` venue.
    ``calendar`` names the trading calendar, None for the venue's own; ``renames`` are declared
    renames and changes of unit, ``outages`` spans in which the venue traded nothing,
    ``second_source`` another venue that may stand in for it.
    """

    history: tuple[Way, ...] | None = None
    instruments: Mapping[str, tuple[Way, ...]] = field(default_factory=dict)
    files: Mapping[str, Any] | None = None
    calendar: str | None = None
    renames: tuple[Rename, ...] = ()
    outages: tuple[StatedOutage, ...] = ()
    second_source: SecondSource | None = None


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

    def options_of(self, venue: str) -> VenueOptions:
        """Return what is particular about a venue."""
        return self.options.get(venue, VenueOptions())

    def history(self, venue: str, symbol: str) -> tuple[Way, ...] | None:
        """Return the ways to old candles in their order, None where nobody chose."""
        options = self.options_of(venue)
        return options.instruments.get(symbol, options.history)

    def names(self, venue: str, symbol: str, span: Span) -> list[tuple[str, Span]]:
        """Return what ``symbol`` was called within ``span``, and when, the newest name first.

        By the declared renames; a symbol that was renamed away ends there.
        """
        renames = [each for each in self.options_of(venue).renames if each.old != each.new]
        renames.sort(key=lambda each: each.at, reverse=True)
        last = next((each for each in renames if symbol in (each.old, each.new)), None)
        name, end_ms = symbol, max([span.end_ms, *(to_ms(each.at) + 1 for each in renames)])
        if last is not None and last.old == symbol:
            end_ms = to_ms(last.at)
        bounds: list[tuple[str, int, int]] = []
        for rename in renames:
            if rename.new == name and to_ms(rename.at) < end_ms:
                bounds.append((name, to_ms(rename.at), end_ms))
                name, end_ms = rename.old, to_ms(rename.at)
        bounds.append((name, span.start_ms, end_ms))
        return [
            (name, Span(max(start_ms, span.start_ms), min(end_ms, span.end_ms)))
            for name, start_ms, end_ms in bounds
            if max(start_ms, span.start_ms) < min(end_ms, span.end_ms)
        ]


def parse_universe(text: str) -> Universe:
    """Read ``{"<venue>": ["SYMBOL", …]}``.

    A venue with options is written
    ``{"<venue>": {"symbols": […], "history": ["archive", "rest"], "files": {…}}}``. A symbol with a
    history of its own is written ``{"symbol": "BTCUSDT", "history": ["rest"]}``. Other options are
    ``"calendar": "XNYS"`` and ``"renames": [{"old": "MATICUSDT", "new": "POLUSDT",
    "at": "2024-09-10T10:00:00Z", "factor": 1}]``, where ``factor`` is 1 unless written, and
    ``"outages": [{"start": "2018-02-08T00:28:14Z", "end": "2018-02-09T10:00:01Z", "note": "…"}]``.
    ``"second_source": {"venue": "binance_usdm", "symbols": {"BTCUSDT": "BTCUSDT"}}`` names where to
    look for what the venue has lost for good.

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
    calendar = written.get("calendar")
    if calendar is not None and not (isinstance(calendar, str) and _CALENDAR.fullmatch(calendar)):
        raise InvalidInputError(f"{where}: calendar must be a name like XNYS, was {calendar!r}")
    renames = _parse_renames(written.get("renames", []), where)
    outages = read_outages(written.get("outages", []), where)
    second = _parse_second_source(written.get("second_source"), where, venue)
    followed = {*names, *(rename.old for rename in renames)}
    if second is not None and (unknown := sorted(set(second.symbols) - followed)):
        raise InvalidInputError(
            f"{where}, second_source: {', '.join(unknown)} is not among the symbols followed"
        )
    return names, VenueOptions(history, instruments, files, calendar, renames, outages, second)


def _parse_second_source(written: object, where: str, venue: str) -> SecondSource | None:
    if written is None:
        return None
    return read_second_source(written, where, venue=venue, pattern=VENUE, symbol=SYMBOL)


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


def _parse_renames(written: object, where: str) -> tuple[Rename, ...]:
    if not isinstance(written, list) or not all(isinstance(entry, dict) for entry in written):
        raise InvalidInputError(f"{where}: renames must be a list of objects, was {written!r}")
    renames = [_parse_rename(entry, f"{where}, renames") for entry in written]
    if len({(rename.old, rename.new, rename.at) for rename in renames}) < len(renames):
        raise InvalidInputError(f"{where}: the same rename is written twice")
    return tuple(renames)


def _parse_rename(entry: Mapping[str, Any], where: str) -> Rename:
    _require_keys(entry, _RENAME_KEYS, where)
    old, new = entry.get("old"), entry.get("new")
    for symbol in (old, new):
        if not isinstance(symbol, str) or not SYMBOL.fullmatch(symbol):
            raise InvalidInputError(
                f"{where}: symbol {symbol!r} is not of the form {SYMBOL.pattern}"
            )
    where = f"{where} {old} to {new}"
    factor = _parse_factor(entry.get("factor", 1), where)
    if old == new and factor == 1:
        raise InvalidInputError(f"{where}: neither the symbol nor the unit changes")
    return Rename(str(old), str(new), _parse_instant(entry.get("at"), where), factor)


def _parse_instant(written: object, where: str) -> datetime:
    try:
        instant = datetime.fromisoformat(written) if isinstance(written, str) else None
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise InvalidInputError(
            f"{where}: at must be like 2024-09-10T10:00:00Z, with its zone, was {written!r}"
        )
    return instant.astimezone(UTC)


def _parse_factor(written: object, where: str) -> Decimal:
    lowest, highest = _FACTORS
    try:
        # By its text: 0.001 shall be a thousandth, not the float nearest to it.
        factor: Decimal | None = Decimal(str(written))
    except InvalidOperation:
        factor = None
    if factor is None or not factor.is_finite() or not lowest <= factor <= highest:
        raise InvalidInputError(
            f"{where}: factor must be a number of old units in one new unit, was {written!r}"
        )
    return factor


def _require_keys(entry: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    if unknown := sorted(set(entry) - set(known)):
        raise InvalidInputError(
            f"{where}: unknown key {', '.join(unknown)}; choose from {', '.join(known)}"
        )


def _shown(text: str) -> str:
    return repr(text if len(text) <= 120 else text[:117] + "...")
