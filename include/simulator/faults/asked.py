"""What a request asks for: the symbols, the range of time and the venue it is put to."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from include.market.span import Span
from include.simulator.faults.rules import Rule
from include.simulator.interval import INTERVALS

_FIRST_MS, _LAST_MS = 0, 10**16
_DEFAULT_LIMIT = 500
_MICROSECONDS_FROM = 10**14
_ARCHIVE_DATE = re.compile(r"-(\d{4})-(\d{2})(?:-(\d{2}))?\.zip")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as rules see it; ``span_ms`` is half-open, None where no time was named."""

    path: str
    symbols: frozenset[str] = frozenset()
    span_ms: Span | None = None
    interval: str = ""

    @property
    def venue(self) -> str:
        """First part of the path: ``api``, ``fapi`` or ``data``."""
        return self.path.split("/", 2)[1] if self.path.startswith("/") else self.path

    @property
    def series(self) -> str:
        """What the request pages through: path, symbols and interval."""
        return f"{self.path}|{','.join(sorted(self.symbols))}|{self.interval}"

    def meets(self, rule: Rule) -> bool:
        """Tell whether the rule's route, symbol and span cover the request."""
        if not fnmatchcase(self.path, rule.route):
            return False
        if rule.symbol is not None and rule.symbol not in self.symbols:
            return False
        if rule.from_ms is None and rule.to_ms is None:
            return True
        if self.span_ms is None:
            return False
        start_ms = _FIRST_MS if rule.from_ms is None else rule.from_ms
        end_ms = _LAST_MS if rule.to_ms is None else rule.to_ms
        return self.span_ms.start_ms < end_ms and start_ms < self.span_ms.end_ms


def read_asked(path: str, query: Mapping[str, str]) -> Asked:
    """Return what a path and its query ask for; what cannot be read counts as not said."""
    if path.startswith("/data/"):
        return _read_archive(path)
    names = {query[key] for key in ("symbol", "pair") if key in query}
    names |= _names(query.get("symbols", "[]"))
    return Asked(path, frozenset(names), _span(query), query.get("interval", ""))


def _span(query: Mapping[str, str]) -> Span | None:
    """Return [startTime, endTime], no longer than ``limit`` candles where that can be told."""
    start_ms, end_ms = _instant(query.get("startTime")), _instant(query.get("endTime"))
    if start_ms is None and end_ms is None:
        return None
    last_ms = _LAST_MS if end_ms is None else end_ms + 1
    first_ms = _FIRST_MS if start_ms is None else start_ms
    interval = INTERVALS.get(query.get("interval", ""))
    if interval and interval.length_ms:
        length_ms = (_instant(query.get("limit")) or _DEFAULT_LIMIT) * interval.length_ms
        if start_ms is not None:
            last_ms = min(last_ms, start_ms + length_ms)
        else:
            first_ms = max(first_ms, last_ms - length_ms)
    return Span(first_ms, max(first_ms + 1, last_ms))


def _instant(text: str | None) -> int | None:
    if text is None or not re.fullmatch(r"[0-9]{1,20}", text):
        return None
    number = int(text)
    return min(number // 1000 if number >= _MICROSECONDS_FROM else number, _LAST_MS)


def _names(text: str) -> set[str]:
    try:
        names = json.loads(text)
    except ValueError:
        return set()
    return {name for name in names if isinstance(name, str)} if isinstance(names, list) else set()


def _read_archive(path: str) -> Asked:
    """Read ``/data/.../klines/SYMBOL/1m/SYMBOL-1m-2024-01[-02].zip`` and its checksum."""
    parts = path.split("/")
    stem = parts[-1].split("-")
    span = None
    found = _ARCHIVE_DATE.search(path)
    if found and 1 <= int(found[2]) <= 12 and 1 <= int(found[3] or 1) <= 28 + 3:
        span = _calendar(int(found[1]), int(found[2]), found[3])
    interval = stem[1] if len(stem) > 1 and stem[1] in INTERVALS else ""
    return Asked(path, frozenset({stem[0]}), span, interval)


def _calendar(year: int, month: int, day: str | None) -> Span | None:
    try:
        start = dt.datetime(year, month, int(day or 1), tzinfo=dt.UTC)
    except ValueError:
        return None
    after = start + dt.timedelta(days=1 if day else 32)
    end = after if day else after.replace(day=1)
    return Span(int(start.timestamp() * 1000), int(end.timestamp() * 1000))
