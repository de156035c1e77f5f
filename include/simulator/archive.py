"""The archive of published files: which exist when, and what is in them.

The layout is that of https://github.com/binance/binance-public-data: one zip with one CSV per
day or month, and beside it its checksum. A file is built when it is asked for; its bytes depend
on nothing but the truth of the moment, so a checksum changes only where the truth was amended.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from include.market.span import Span, to_ms
from include.market.timeframe import DAY_MS
from include.simulator.archive_files import (
    agg_trade_lines,
    funding_lines,
    kline_lines,
    with_trade_header,
    zip_csv,
)
from include.simulator.catalogue import SPOT, USDM
from include.simulator.engine import Window
from include.simulator.funding import FundingBook
from include.simulator.interval import INTERVALS, ONE_DAY, SPOT_INTERVALS, Interval
from include.simulator.keyed import BlockCache
from include.simulator.overlay import AmendedEngine

_PATH = re.compile(
    r"(?P<market>spot|futures/um)/(?P<pace>daily|monthly)/(?P<kind>klines|aggTrades|fundingRate)/"
    r"(?P<symbol>[A-Z0-9]+)/(?:(?P<interval>[0-9]+[a-z]+)/)?"
    r"(?P=symbol)-(?P<label>[0-9]+[a-z]+|aggTrades|fundingRate)-(?P<date>\d{4}-\d\d(?:-\d\d)?)"
    r"\.zip(?P<checksum>\.CHECKSUM)?"
)
_PUBLISHED_HOUR = 2
_HELD_BYTES = 64 * 1024 * 1024
_ALL = 2**40


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """One published file by name; ``interval`` is for klines only."""

    venue: str
    kind: str
    symbol: str
    interval: Interval | None
    span: Span
    published_ms: int
    stem: str


class Archive:
    """All published files of both markets, the last used ones held."""

    def __init__(
        self,
        spot: AmendedEngine,
        futures: AmendedEngine,
        funding: FundingBook,
    ) -> None:
        """Publish what the engines tell."""
        self._engines = {SPOT: spot, USDM: futures}
        self._funding = funding
        self._digests: BlockCache[tuple[object, ...], str] = BlockCache(10_000)
        self._held: BlockCache[tuple[object, ...], bytes] = BlockCache(_HELD_BYTES, weigh=len)

    def read(self, path: str, now_ms: int) -> bytes | None:
        """Return the file at ``path`` below ``/data/``, or None where it is not published."""
        match = _PATH.fullmatch(path)
        file = _parse_file(match) if match else None
        if match is None or file is None or now_ms < file.published_ms:
            return None
        engine = self._engines[file.venue]
        if file.symbol not in engine.listings:
            return None
        if file.interval is not None and file.interval.label not in engine.intervals:
            return None
        story = engine.story(file.symbol)
        state = (file, story, story.in_force(now_ms))
        if match["checksum"]:
            digest = self._digests.get(state, lambda: self._digest(state, file, now_ms))
            return f"{digest}  {file.stem}.zip\n".encode() if digest else None
        return self._held.get(state, lambda: self._build(file, now_ms)) or None

    def _digest(self, state: tuple[object, ...], file: ArchiveFile, now_ms: int) -> str:
        content = self._held.get(state, lambda: self._build(file, now_ms))
        return hashlib.sha256(content).hexdigest() if content else ""

    def _build(self, file: ArchiveFile, now_ms: int) -> bytes:
        """Return the zip, or nothing where it would hold no row."""
        engine, window = self._engines[file.venue], Window(_ALL, *_ends(file.span))
        is_spot = file.venue == SPOT
        if file.interval is not None:
            texts = engine.klines(file.symbol, file.interval, window, now_ms)
            lines = kline_lines(texts, file.span, is_spot=is_spot)
        elif file.kind == "aggTrades":
            lines = self._trade_lines(file, now_ms)
        else:
            hours = self._funding.interval_hours(file.symbol)
            lines = funding_lines(self._funding.rows(file.symbol, window, now_ms), hours)
        return zip_csv(f"{file.stem}.csv", lines) if lines else b""

    def _trade_lines(self, file: ArchiveFile, now_ms: int) -> list[str]:
        """Return each day's trades as one text: a month of them one by one would fill memory."""
        days: list[str] = []
        for start_ms in range(file.span.start_ms, file.span.end_ms, DAY_MS):
            window = Window(_ALL, start_ms, start_ms + DAY_MS - 1)
            trades = self._engines[file.venue].agg_trades(file.symbol, window, now_ms)
            lines = agg_trade_lines(trades, file.span, is_spot=file.venue == SPOT)
            days += ["\n".join(lines)] if lines else []
        return with_trade_header(days, file.span, is_spot=file.venue == SPOT)


def _ends(span: Span) -> tuple[int, int]:
    return span.start_ms, span.end_ms - 1


def _parse_file(match: re.Match[str]) -> ArchiveFile | None:
    """Return what a well-formed path names; None for a combination that is never published."""
    venue = SPOT if match["market"] == "spot" else USDM
    is_daily, kind = match["pace"] == "daily", match["kind"]
    interval = None
    if kind == "klines":
        known = SPOT_INTERVALS if venue == SPOT else INTERVALS
        interval = known.get("1M" if match["label"] == "1mo" else match["label"])
        if interval is None or match["interval"] != match["label"]:
            return None
        if is_daily and not 0 < interval.length_ms <= ONE_DAY.length_ms:
            return None
    elif match["label"] != kind or match["interval"]:
        return None
    if kind == "fundingRate" and (is_daily or venue == SPOT):
        return None
    days = _parse_days(match["date"], is_daily=is_daily)
    if days is None:
        return None
    first, after = days
    published = after if is_daily else _first_monday(after)
    stem = f"{match['symbol']}-{match['label']}-{match['date']}"
    span = Span(_midnight_ms(first), _midnight_ms(after))
    published_ms = _midnight_ms(published) + _PUBLISHED_HOUR * 3_600_000
    return ArchiveFile(venue, kind, match["symbol"], interval, span, published_ms, stem)


def _parse_days(text: str, *, is_daily: bool) -> tuple[date, date] | None:
    """Return the first day of the file and the first after it."""
    try:
        first = date.fromisoformat(text if is_daily else f"{text}-01")
    except ValueError:
        return None
    if is_daily:
        return first, first + timedelta(days=1)
    return first, (first.replace(day=28) + timedelta(days=4)).replace(day=1)


def _first_monday(first: date) -> date:
    return first + timedelta(days=-first.weekday() % 7)


def _midnight_ms(day: date) -> int:
    return to_ms(datetime(day.year, day.month, day.day, tzinfo=UTC))
