"""One change of the truth: a rule as a person writes it, read and checked.

A rule is a mapping, as a scenario file or ``POST /sim/amendments`` writes it::

    {"kind": "missing", "venue": "spot", "symbol": "BTCUSDT", "start": "2025-07-01T10:00Z",
     "end": "2025-07-01T10:05Z"}

``venue`` is spot, usdm or all (default), ``symbol`` one, ``symbols`` a list of them; without
either, kinds that allow it touch all. Times are epoch ms, ISO 8601 (UTC unless it says otherwise)
or ``now-90m``; spans are half-open and of whole minutes. See ``KINDS`` for each kind's fields.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from include.market.errors import InvalidInputError
from include.market.span import Span, to_ms
from include.simulator.catalogue import SYMBOL_PATTERN, VENUES
from include.simulator.dated_outages import DATED_OUTAGES
from include.simulator.interval import MINUTE_MS

_ANY = ("kind", "venue", "symbol", "symbols")
_SPAN = ("start", "end")

KINDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "missing": (_SPAN, ()),
    "outage": (_SPAN, ()),
    "dated_outages": ((), ()),
    "late": ((*_SPAN, "at"), ()),
    "revised": ((*_SPAN, "at"), ("volume_factor",)),
    "off_grid": (_SPAN, ("shift_ms",)),
    "listed": (("at",), ()),
    "delisted": (("at",), ("gone",)),
    "renamed": (("old", "new", "at"), ()),
    "relisted": (_SPAN, ("price_factor",)),
}
"""The fields each kind must and may have, besides ``venue`` and ``symbol`` or ``symbols``.

- missing: no rows in the span. outage: the same for all symbols of the venue.
- dated_outages: every outage in ``dated_outages.py``.
- late: the span's rows appear only at the instant ``at``.
- revised: from ``at`` on volumes are ``volume_factor`` (2) times as large, closes differ.
- off_grid: open and close times lie ``shift_ms`` (14789) late. listed, delisted: no candles before,
  none from ``at`` on; ``gone`` takes a delisted symbol out of exchangeInfo as well.
- renamed: ``old`` ends at ``at``, ``new`` goes on. relisted: nothing in the span, and after it an
  asset whose price is ``price_factor`` (25) times as high trades under the same symbol.
"""

_NEEDS_SYMBOL = ("listed", "delisted", "relisted")
_WITHOUT_SYMBOL = ("outage", "dated_outages", "renamed")
_RELATIVE = re.compile(r"now(?:([+-]\d+)([smhd]))?")
_UNIT_MS = {"s": 1_000, "m": MINUTE_MS, "h": 60 * MINUTE_MS, "d": 1_440 * MINUTE_MS}


@dataclass(frozen=True, slots=True)
class Amendment:
    """One rule, read and checked; ``symbols`` is None where it touches all."""

    kind: str
    venues: tuple[str, ...]
    symbols: tuple[str, ...] | None = None
    span: Span | None = None
    at_ms: int | None = None
    old: str = ""
    new: str = ""
    volume_factor: Decimal = Decimal(2)
    price_factor: int = 25
    shift_ms: int = 14_789
    gone: bool = False

    def touches(self, venue: str, symbol: str) -> bool:
        """Tell whether the rule speaks of the symbol at the venue."""
        return venue in self.venues and (self.symbols is None or symbol in self.symbols)

    def describe(self) -> dict[str, object]:
        """Return the rule as JSON-ready values that ``from_rules`` reads again."""
        told: dict[str, object] = {"kind": self.kind}
        told["venue"] = self.venues[0] if len(self.venues) == 1 else "all"
        if self.symbols is not None:
            told["symbols"] = list(self.symbols)
        if self.span is not None:
            told |= {"start": self.span.start_ms, "end": self.span.end_ms}
        if self.at_ms is not None:
            told["at"] = self.at_ms
        must, may = KINDS[self.kind]
        for name in (*must, *may):
            if name not in told:
                value = getattr(self, name)
                told[name] = str(value) if isinstance(value, Decimal) else value
        return told


def read_rule(rule: Mapping[str, object], *, now_ms: int | None = None) -> list[Amendment]:
    """Return what a rule means; ``now_ms`` is what ``now-90m`` counts from.

    Raises:
        InvalidInputError: the rule cannot be right; the message names the field.
    """
    kind = _check_fields(rule)
    must, may = KINDS[kind]
    venues, symbols = _read_venues(rule), _read_symbols(kind, rule)
    if kind == "dated_outages":
        return [Amendment("outage", venues, span=span) for span in DATED_OUTAGES]
    values: dict[str, Any] = {
        name: _READERS[name](name, rule[name])
        for name in (*must, *may)
        if name in _READERS and name in rule
    }
    if "start" in must:
        values["span"] = _read_span(rule, now_ms)
    if "at" in must:
        values["at_ms"] = _read_instant("at", rule["at"], now_ms)
    _check_whole_minute(kind, values.get("at_ms"))
    return [Amendment(kind, venues, symbols, **values)]


def _check_fields(rule: Mapping[str, object]) -> str:
    """Return the rule's kind once all its fields are known and none it needs is absent."""
    if not isinstance(rule, Mapping):
        raise InvalidInputError(f"expected a mapping, was {rule!r}: write kind and its fields")
    kind = str(rule.get("kind"))
    if kind not in KINDS:
        raise InvalidInputError(f"kind {kind!r} is unknown: write one of {', '.join(KINDS)}")
    must, may = KINDS[kind]
    for name in must:
        if rule.get(name) is None:
            raise InvalidInputError(f"{kind} lacks {name!r}: it needs {', '.join(must)}")
    for name in rule:
        if name not in (*_ANY, *must, *may):
            raise InvalidInputError(
                f"{kind} does not know {name!r}: it takes {', '.join((*_ANY, *must, *may))}"
            )
    return kind


def _check_whole_minute(kind: str, at_ms: int | None) -> None:
    """Refuse a life that begins or ends within a minute; what is told late may be at any ms."""
    if kind in ("listed", "delisted", "renamed") and at_ms is not None and at_ms % MINUTE_MS:
        raise InvalidInputError(f"{kind} at {at_ms} is not a whole minute: move it to one")


def _read_venues(rule: Mapping[str, object]) -> tuple[str, ...]:
    venue = rule.get("venue", "all")
    if venue == "all":
        return VENUES
    if venue not in VENUES:
        raise InvalidInputError(f"venue {venue!r} is unknown: write {', '.join(VENUES)} or all")
    return (str(venue),)


def _read_symbols(kind: str, rule: Mapping[str, object]) -> tuple[str, ...] | None:
    if "symbol" in rule and "symbols" in rule:
        raise InvalidInputError("symbol and symbols exclude each other: write one of them")
    named = rule.get("symbols", rule.get("symbol"))
    if kind in _WITHOUT_SYMBOL:
        if named is not None:
            raise InvalidInputError(f"{kind} takes no symbol, was {named!r}: leave it out")
        return None
    if named is None or named == "all":
        if kind in _NEEDS_SYMBOL:
            raise InvalidInputError(f"{kind} lacks 'symbol': name the symbols it touches")
        return None
    names = named if isinstance(named, list) else [named]
    if not names:
        raise InvalidInputError("symbols is empty: name at least one or leave it out")
    return tuple(_read_name("symbol", name) for name in names)


def _read_span(rule: Mapping[str, object], now_ms: int | None) -> Span:
    start_ms, end_ms = (_read_instant(name, rule[name], now_ms) for name in _SPAN)
    if isinstance(rule["start"], str) and rule["start"].startswith("now"):
        start_ms -= start_ms % MINUTE_MS
    if isinstance(rule["end"], str) and rule["end"].startswith("now"):
        end_ms -= end_ms % MINUTE_MS
    if start_ms >= end_ms:
        raise InvalidInputError(f"start {start_ms} is not before end {end_ms}: swap or widen them")
    if start_ms % MINUTE_MS or end_ms % MINUTE_MS:
        raise InvalidInputError(
            f"span {start_ms} to {end_ms} is not of whole minutes: round both to 60000 ms"
        )
    return Span(start_ms, end_ms)


def _read_instant(name: str, value: object, now_ms: int | None) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, datetime):
        return to_ms(value if value.tzinfo else value.replace(tzinfo=UTC))
    text = str(value)
    if match := _RELATIVE.fullmatch(text):
        if now_ms is None:
            raise InvalidInputError(f"{name} {text!r} needs a clock: write epoch ms or ISO 8601")
        shift_ms = int(match[1]) * _UNIT_MS[match[2]] if match[1] else 0
        return now_ms + shift_ms
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInputError(
            f"{name} {value!r} is no time: write epoch ms, 2025-07-01T10:00Z or now-90m"
        ) from None
    return to_ms(instant if instant.tzinfo else instant.replace(tzinfo=UTC))


def _read_name(name: str, value: object) -> str:
    if not isinstance(value, str) or not SYMBOL_PATTERN.fullmatch(value):
        raise InvalidInputError(f"{name} {value!r} is not a symbol: write e.g. BTCUSDT")
    return value


def _read_factor(name: str, value: object) -> Decimal:
    try:
        factor = Decimal(str(value))
    except InvalidOperation:
        factor = Decimal(0)
    if not 0 < factor <= 1_000 or factor == 1:
        raise InvalidInputError(f"{name} must be above 0, at most 1000 and not 1, was {value!r}")
    return factor


def _read_whole(low: int, high: int) -> Callable[[str, object], int]:
    def read(name: str, value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise InvalidInputError(f"{name} must be a whole number {low} to {high}, was {value!r}")
        return value

    return read


def _read_flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidInputError(f"{name} must be true or false, was {value!r}")
    return value


_READERS: Mapping[str, Callable[[str, object], object]] = {
    "old": _read_name,
    "new": _read_name,
    "volume_factor": _read_factor,
    "price_factor": _read_whole(2, 1_000),
    "shift_ms": _read_whole(1, MINUTE_MS - 1),
    "gone": _read_flag,
}
