"""A folder of files as a source of candles, like a venue that knows the past only. Edge."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from include.exchanges.base import CandlePage
from include.exchanges.files.folder import FolderPath, OpenFolder, find_files, no_store, open_folder
from include.exchanges.files.mapping import FileMapping
from include.exchanges.files.tape import Tape, first_open_ms
from include.exchanges.rows import no_candles
from include.exchanges.traits import VenueTraits
from include.market.errors import InvalidInputError, UnknownInstrumentError
from include.market.instrument import InstrumentRecord, VenueRecord
from include.market.span import Span
from include.market.timeframe import Timeframe

PAGE_LIMIT: Final = 10_000
_MOST_TAPES: Final = 2
"""One goes forward; another one looks back at what was absent."""


class FileSource:
    """Candles of a mapped folder; give the files back with :meth:`close`.

    A file is read from its beginning. Spans asked for one after another, as a backfill does, go on
    where the last one stopped.
    """

    def __init__(
        self,
        name: str,
        mapping: FileMapping,
        *,
        now_ms: Callable[[], int],
        open_remote: OpenFolder = no_store,
    ) -> None:
        """Read what ``mapping`` declares under the venue ``name``.

        ``now_ms`` is the clock, epoch milliseconds; ``open_remote`` opens a store's URL.
        """
        self._mapping, self._now_ms, self._open_remote = mapping, now_ms, open_remote
        self._venue = VenueRecord(name, mapping.title or name, mapping.kind)
        self._traits = VenueTraits(
            page_limit=PAGE_LIMIT,
            range_rule="oldest",
            absent_means=mapping.absent_means,
            absent_columns=mapping.absent_columns,
            states_open_candle=False,
            is_live=False,
        )
        self._first_ms: dict[FolderPath, int | None] = {}
        self._tapes: list[tuple[tuple[str, Timeframe], Tape]] = []

    @property
    def venue(self) -> VenueRecord:
        """The venue, named as in the universe."""
        return self._venue

    @property
    def traits(self) -> VenueTraits:
        """What the mapping says of the files."""
        return self._traits

    def server_time_ms(self) -> int:
        """Return the clock's time: files have none of their own."""
        return self._now_ms()

    def instruments(self, symbols: Sequence[str]) -> list[InstrumentRecord]:
        """Return the declared record of each symbol, in the order asked.

        Raises:
            UnknownInstrumentError: the mapping names no assets for one of them.
        """
        records: list[InstrumentRecord] = []
        for symbol in symbols:
            base, quote = self._assets(symbol)
            records.append(
                InstrumentRecord(
                    symbol=symbol,
                    base_asset=base,
                    quote_asset=quote,
                    kind=self._mapping.kind,
                    status="TRADING",
                    tick_size=self._mapping.tick_size,
                    lot_size=self._mapping.lot_size,
                )
            )
        return records

    def first_open_ms(self, symbol: str, timeframe: Timeframe) -> int | None:
        """Return when the oldest candle of the symbol's files opens, None when they hold none.

        Raises:
            InvalidInputError: no file is there for the symbol.
        """
        files = self._files(symbol, timeframe)
        return min((first for first, _ in files), default=None)

    def candles(
        self, symbol: str, timeframe: Timeframe, span: Span, *, page_limit: int
    ) -> Iterator[CandlePage]:
        """Yield the candles opening in ``span``, oldest first, at most ``page_limit`` at a time.

        Raises:
            InvalidInputError: no file is there, or one holds something else than is declared.
            UnknownInstrumentError: the mapping does not name the symbol.
        """
        tape = self._tape(symbol, timeframe, span)
        limit = max(1, min(page_limit, PAGE_LIMIT))
        start_ms = span.start_ms
        held, repeated = no_candles(), 0
        for rows, dropped in tape.play(span):
            for first in range(0, len(rows), limit):
                if len(held):
                    end_ms = int(held.open_ms[-1]) + 1
                    yield CandlePage(Span(start_ms, end_ms), held, repeated=repeated)
                    start_ms, repeated = end_ms, 0
                held = rows.take(slice(first, first + limit))
            repeated += dropped
        # The last page also says that nothing follows its candles.
        yield CandlePage(Span(start_ms, span.end_ms), held, repeated=repeated)
        self._keep((symbol, timeframe), tape)

    def close(self) -> None:
        """Close every file still open."""
        while self._tapes:
            self._tapes.pop()[1].close()

    def _assets(self, symbol: str) -> tuple[str, str]:
        pair = self._mapping.assets.get(symbol)
        if pair is None:
            raise UnknownInstrumentError(
                f"{self._venue.name}: the mapping names no assets for {symbol}: add "
                f'"{symbol}": ["BASE", "QUOTE"] to its assets'
            )
        return pair

    def _files(self, symbol: str, timeframe: Timeframe) -> list[tuple[int, FolderPath]]:
        """Return the symbol's files that hold candles with their first open time, by that time."""
        self._assets(symbol)
        mapping = self._mapping
        pattern = mapping.pattern.replace("{symbol}", symbol).replace(
            "{timeframe}", timeframe.label
        )
        paths = find_files(open_folder(mapping.url, self._open_remote), pattern)
        if not paths:
            raise InvalidInputError(
                f"{self._venue.name}: no file {pattern!r} under {mapping.url}: correct the "
                "mapping's pattern, or bring the file"
            )
        for path in paths:
            if path not in self._first_ms:
                self._first_ms[path] = first_open_ms(path, mapping)
        found = [(self._first_ms[path], path) for path in paths]
        return sorted(
            ((first, path) for first, path in found if first is not None),
            key=lambda pair: (pair[0], str(pair[1])),
        )

    def _tape(self, symbol: str, timeframe: Timeframe, span: Span) -> Tape:
        key = (symbol, timeframe)
        usable = [
            (tape.position_ms, at)
            for at, (known, tape) in enumerate(self._tapes)
            if known == key and tape.position_ms <= span.start_ms
        ]
        if usable:
            return self._tapes.pop(max(usable)[1])[1]
        paths = [path for _, path in self._files(symbol, timeframe)]
        return Tape(paths, self._mapping, timeframe)

    def _keep(self, key: tuple[str, Timeframe], tape: Tape) -> None:
        self._tapes.append((key, tape))
        while len(self._tapes) > _MOST_TAPES:
            self._tapes.pop(0)[1].close()
