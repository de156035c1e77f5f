"""The replay engine: recorded candles and aggregate trades, told as if they happened now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_DOWN, Decimal

import numpy as np

from include.market.errors import InvalidInputError
from include.market.span import Span
from include.market.timeframe import DAY_MS
from include.simulator.catalogue import MAX_DECIMALS, Listing, split_symbol
from include.simulator.engine import AggTrade, Engine, Kline, Trade, Window
from include.simulator.interval import MINUTE_MS, ONE_MINUTE, Interval
from include.simulator.keyed import BlockCache
from include.simulator.pages import Pager, Rows, join_rows
from include.simulator.recordings import Recording, to_milliseconds

_SAMPLE_ROWS = 2_000


class ReplayEngine:
    """Recordings behind the engine contract, moved ``shift_days`` whole days into the future."""

    name = "replay"
    seed: int | None = None

    def __init__(self, recordings: Iterable[Recording], *, shift_days: int = 0) -> None:
        """Serve every symbol that has candles."""
        self._books = {book.symbol: book for book in map(_Book, recordings)}
        self._shift_ms = shift_days * DAY_MS
        self.listings: Mapping[str, Listing] = {
            symbol: book.listing() for symbol, book in self._books.items()
        }
        self._rows: BlockCache[tuple[str, str, int], Rows] = BlockCache(200_000, weigh=len)

    @property
    def recorded_span(self) -> Span:
        """Span from the first to the end of the last candle of any symbol, as recorded."""
        spans = [book.span for book in self._books.values()]
        return Span(min(span.start_ms for span in spans), max(span.end_ms for span in spans))

    @property
    def shared_span(self) -> Span:
        """Span that all symbols have in common, as recorded; empty where they have none."""
        spans = [book.span for book in self._books.values()]
        start_ms = max(span.start_ms for span in spans)
        return Span(start_ms, max(start_ms, min(span.end_ms for span in spans)))

    def data_span(self, now_ms: int) -> Span:
        """Return the span from the first recorded candle to the last one closed by ``now_ms``."""
        recorded = self.recorded_span
        start_ms, end_ms = recorded.start_ms + self._shift_ms, recorded.end_ms + self._shift_ms
        return Span(start_ms, max(start_ms, min(end_ms, ONE_MINUTE.floor_ms(now_ms))))

    def truth(self, symbol: str, span: Span) -> dict[str, object] | None:
        """Return None: nobody knows the truth behind a recording."""
        return None

    def klines(self, symbol: str, interval: Interval, window: Window, now_ms: int) -> list[str]:
        """Return candles by open time as JSON arrays of 12; the last may be unfinished."""
        pager = Pager(
            interval,
            self.data_span(now_ms),
            now_ms,
            unit_rows=lambda unit: self._unit_rows(symbol, interval, unit),
            current=lambda open_ms: self.kline_at(symbol, interval, open_ms, now_ms),
        )
        return pager.page(window)

    def kline_at(self, symbol: str, interval: Interval, open_ms: int, now_ms: int) -> Kline | None:
        """Return one candle, as far as it has come by ``now_ms``; None where there is none."""
        span = Span(open_ms, interval.next_ms(open_ms))
        children = self._minutes(symbol, span)
        lots = self.listings[symbol].lot_decimals
        known = [
            child if child.close_ms < now_ms else begin_kline(child, now_ms, lot_decimals=lots)
            for child in children
            if child.open_ms <= now_ms
        ]
        return fold_klines(known, interval)[0] if known else None

    def futures(self) -> Engine:
        """Return the engine itself: recordings are served as spot and as futures."""
        return self

    def minutes(self, symbol: str, span: Span) -> list[Kline]:
        """Return the recorded 1m candles of ``span``, those still to come included."""
        return self._minutes(symbol, span)

    def mark_price(self, symbol: str, at_ms: int) -> str | None:
        """Return the open of the minute of the instant; None where none is recorded."""
        minute_ms = ONE_MINUTE.floor_ms(at_ms)
        found = self._minutes(symbol, Span(minute_ms, minute_ms + MINUTE_MS))
        return f"{Decimal(found[0].open):.8f}" if found else None

    def outages(self, span: Span) -> list[Span]:
        """Return nothing: a recording does not tell why a candle is absent."""
        return []

    def trades(self, symbol: str, window: Window, now_ms: int) -> list[Trade]:
        """Return nothing: single trades are not recorded."""
        return []

    def agg_trades(self, symbol: str, window: Window, now_ms: int) -> list[AggTrade]:
        """Return recorded aggregate trades by time."""
        last_ms = now_ms if window.end_ms is None else min(window.end_ms, now_ms)
        bounds = ((window.start_ms or 0) - self._shift_ms, last_ms - self._shift_ms + 1)
        start, stop = np.searchsorted(self._books[symbol].agg_ms, bounds).tolist()
        if window.start_ms is None:
            start = max(start, stop - window.limit)
        return self._list_agg_trades(symbol, start, min(stop, start + window.limit))

    def agg_trades_from(
        self, symbol: str, first_id: int, limit: int, now_ms: int
    ) -> list[AggTrade]:
        """Return the first ``limit`` aggregate trades whose id is ``first_id`` or more."""
        book = self._books[symbol]
        start = int(np.searchsorted(book.agg_ids, min(first_id, 2**62)))
        stop = int(np.searchsorted(book.agg_ms, now_ms - self._shift_ms, side="right"))
        return self._list_agg_trades(symbol, start, min(stop, start + limit))

    def _list_agg_trades(self, symbol: str, start: int, stop: int) -> list[AggTrade]:
        rows = self._books[symbol].agg_rows[start:stop]
        return [_parse_agg_trade(row, self._shift_ms) for row in rows]

    def _unit_rows(self, symbol: str, interval: Interval, unit: Span) -> Rows:
        key = (symbol, interval.label, unit.start_ms)
        return self._rows.get(
            key, lambda: join_rows(fold_klines(self._minutes(symbol, unit), interval))
        )

    def _minutes(self, symbol: str, span: Span) -> list[Kline]:
        book = self._books[symbol]
        bounds = (span.start_ms - self._shift_ms, span.end_ms - self._shift_ms)
        start, stop = np.searchsorted(book.open_ms, bounds)
        return [_parse_kline(row, self._shift_ms) for row in book.rows[start:stop]]


class _Book:
    """One symbol's recording in rising order, ready to be searched."""

    def __init__(self, recording: Recording) -> None:
        self.symbol = recording.symbol
        self.open_ms = np.array(sorted(recording.candles), dtype=np.int64)
        self.rows = [recording.candles[open_ms] for open_ms in self.open_ms.tolist()]
        self.agg_ids = np.array(sorted(recording.agg_trades), dtype=np.int64)
        self.agg_rows = [recording.agg_trades[number] for number in self.agg_ids.tolist()]
        times = [to_milliseconds(int(row.split(",")[5])) for row in self.agg_rows]
        self.agg_ms = np.array(times, dtype=np.int64)
        self.span = Span(int(self.open_ms[0]), int(self.open_ms[-1]) + MINUTE_MS)

    def listing(self) -> Listing:
        """Return the listing; the grids are read off the recorded numbers."""
        sample = [row.split(",") for row in self.rows[:_SAMPLE_ROWS]]
        base, quote = split_symbol(self.symbol)
        ticks = max(_decimals(value) for row in sample for value in row[1:5])
        return Listing(self.symbol, base, quote, ticks, max(_decimals(row[5]) for row in sample))


def days_to_now(shared: Span, now_ms: int) -> int:
    """Return by how many days to move a recording so that its last whole day reaches over now.

    Raises:
        InvalidInputError: the span that all symbols share is shorter than a day.
    """
    whole_days = (shared.end_ms - shared.start_ms) // DAY_MS
    if whole_days < 1:
        raise InvalidInputError(
            f"--replay-shift now needs a whole day that all symbols share, which is {shared}: "
            "choose fewer with --instruments"
        )
    return (now_ms - shared.start_ms) // DAY_MS - (whole_days - 1)


def fold_klines(children: list[Kline], interval: Interval) -> list[Kline]:
    """Return the candles of ``interval`` made of 1m candles, exactly; 1m candles as they are."""
    if interval is ONE_MINUTE:
        return children
    groups: dict[int, list[Kline]] = {}
    for child in children:
        groups.setdefault(interval.floor_ms(child.open_ms), []).append(child)
    return [
        Kline(
            open_ms=open_ms,
            close_ms=interval.next_ms(open_ms) - 1,
            open=group[0].open,
            high=max((child.high for child in group), key=Decimal),
            low=min((child.low for child in group), key=Decimal),
            close=group[-1].close,
            volume=_add(child.volume for child in group),
            quote_volume=_add(child.quote_volume for child in group),
            taker_volume=_add(child.taker_volume for child in group),
            taker_quote_volume=_add(child.taker_quote_volume for child in group),
            trade_count=sum(child.trade_count for child in group),
            first_id=-1,
        )
        for open_ms, group in groups.items()
    ]


def begin_kline(final: Kline, now_ms: int, *, lot_decimals: int) -> Kline:
    """Return a guess at how a recorded candle looked at ``now_ms``, while it was open.

    Its price goes from the open over both extremes to the close, a quarter of its time each; its
    volumes grow evenly.
    """
    share = Decimal(now_ms - final.open_ms) / Decimal(final.close_ms + 1 - final.open_ms)
    falls_first = Decimal(final.close) >= Decimal(final.open)
    extremes = (final.low, final.high) if falls_first else (final.high, final.low)
    lot = Decimal(1).scaleb(-lot_decimals)
    seen = [final.open, *extremes, final.close][: 1 + int(share * 4)]

    def part(text: str, step: Decimal) -> str:
        number = Decimal(text)
        return format((number * share).quantize(step, rounding=ROUND_DOWN).quantize(number), "f")

    return final._replace(
        high=max(seen, key=Decimal),
        low=min(seen, key=Decimal),
        close=seen[-1],
        volume=part(final.volume, lot),
        quote_volume=part(final.quote_volume, Decimal(final.quote_volume)),
        taker_volume=part(final.taker_volume, lot),
        taker_quote_volume=part(final.taker_quote_volume, Decimal(final.taker_quote_volume)),
        trade_count=int(final.trade_count * share),
    )


def _parse_kline(row: str, shift_ms: int) -> Kline:
    cells = row.split(",")
    open_ms = to_milliseconds(int(cells[0])) + shift_ms
    return Kline(
        open_ms=open_ms,
        close_ms=open_ms + MINUTE_MS - 1,
        open=cells[1],
        high=cells[2],
        low=cells[3],
        close=cells[4],
        volume=cells[5],
        quote_volume=cells[7],
        taker_volume=cells[9],
        taker_quote_volume=cells[10],
        trade_count=int(cells[8]),
        first_id=-1,
    )


def _parse_agg_trade(row: str, shift_ms: int) -> AggTrade:
    number, price, quantity, first, last, time, maker = row.split(",")[:7]
    time_ms = to_milliseconds(int(time)) + shift_ms
    is_maker = maker.lower() == "true"
    return AggTrade(int(number), price, quantity, int(first), int(last), time_ms, is_maker)


def _add(texts: Iterable[str]) -> str:
    return format(sum(map(Decimal, texts), Decimal(0)), "f")


def _decimals(text: str) -> int:
    return min(len(text.partition(".")[2].rstrip("0")), MAX_DECIMALS)
