"""Ask another venue for what the own one and its archive have lost, where that is configured.

What comes lands as rows of the own instrument, of the way ``second_venue``: the least believed of
all, so that whatever the venue itself says later takes its place, and flagged in every candle. Only
minutes that are there are landed: what the other venue lacks says nothing about ours.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from include.exchanges.base import CandleSource
from include.exchanges.rows import CandleRows
from include.exchanges.second_venue import SecondVenue
from include.jobs.ask_twice import Fetched, fetch_windows
from include.jobs.explain_gaps import DATASET
from include.jobs.land_candles import Batch, Landing, land_rows, split_batches
from include.jobs.looks_in_vain import whole_absence
from include.market.candle import FOREIGN, SECOND_VENUE
from include.market.errors import CandlewickError, InvalidInputError
from include.market.span import Span, intersect_spans, merge_spans, to_ms
from include.market.timeframe import M1
from include.quality.second_source import (
    MOST_PIECES,
    NOTE,
    Closes,
    around,
    judge_level,
    may_lend,
    whole_pieces,
)
from include.warehouse.candles import read_columns
from include.warehouse.engine import Connection
from include.warehouse.gaps import OpenGap
from include.warehouse.outages import outages
from include.warehouse.reference import known_records

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Lent:
    """What came of asking: rows landed, and what is to be kept in the proof of the gap."""

    rows: int
    note: dict[str, Any]


class Lender:
    """The second venue during one run: opened once, given up once it has failed."""

    def __init__(
        self, stack: ExitStack, second: SecondVenue, venue: str, target: Landing, at: datetime
    ) -> None:
        """Stand in for ``venue`` until ``stack`` is closed."""
        self._stack, self._second, self._venue = stack, second, venue
        self._target, self._at = target, at
        self._source: CandleSource | None = None
        self._server_time_ms = 0
        self._quotes: dict[str, str] = {}
        self._fault: str | None = None

    def fill(self, conn: Connection, gap: OpenGap, symbol: str) -> Lent | None:
        """Land what the second venue has of a gap that was looked for in vain once more.

        None where it is not to be asked. Its own troubles are noted and end nothing.
        """
        choice = self._second.choice
        name = choice.symbols.get(symbol)
        due = name is not None and may_lend(
            choice,
            reason=gap.reason,
            attempts=gap.attempts + 1,
            span=gap.span,
            proof=gap.proof,
            at_ms=to_ms(self._at),
        )
        if name is None or not due or self._was_out(conn, gap.span):
            return None
        note: dict[str, Any] = {"venue": choice.venue, "symbol": name, "at_ms": to_ms(self._at)}
        try:
            rows = self._fill(conn, gap, symbol, name)
        except CandlewickError as error:
            log.warning("%s %s, second source: %s", self._venue, symbol, error)
            return Lent(0, {NOTE: {**note, "refused": str(error)[:500]}})
        return Lent(rows, {NOTE: {**note, "rows": rows}})

    def _fill(self, conn: Connection, gap: OpenGap, symbol: str, name: str) -> int:
        source = self._opened()
        self._require_same_quote(conn, source, symbol, name)
        # Cut at the ends of batches it has no candles beside it: those beside the whole count.
        whole = whole_absence(conn, DATASET, gap)
        before, after = around(whole)
        page_limit = self._target.settings.page_limit
        found = fetch_windows(source, name, [before, gap.span, after], page_limit).rows
        own = _own_closes(conn, gap.instrument_id, Span(before.start_ms, after.end_ms))
        fault = judge_level(own, _closes(found), whole, self._second.choice.tolerance)
        pieces = whole_pieces(found.open_ms, gap.span)
        if fault is None and not pieces:
            fault = "it has no candle of the gap"
        if fault is None and len(pieces) > MOST_PIECES:
            fault = f"it has the gap in {len(pieces)} pieces, more than {MOST_PIECES}"
        if fault is not None:
            raise InvalidInputError(
                f"{self._second.choice.venue} {name} cannot stand in for {self._venue} {symbol} "
                f"in {gap.span}: {fault}; correct second_source of Variable universe, or leave it"
            )
        return sum(self._land(conn, source, symbol, found, piece) for piece in pieces)

    def _was_out(self, conn: Connection, span: Span) -> bool:
        """Tell whether the venue is known to have traded nothing in some part of ``span``."""
        known = merge_spans(one.span for one in outages(conn, self._venue, span))
        return bool(intersect_spans([span], known))

    def _opened(self) -> CandleSource:
        if self._fault is not None:
            raise InvalidInputError(self._fault)
        if self._source is None:
            try:
                opened = self._stack.enter_context(self._second.open())
                self._server_time_ms = opened.server_time_ms()
                self._source = opened
            except CandlewickError as error:
                self._fault = str(error)
                raise
        return self._source

    def _require_same_quote(
        self, conn: Connection, source: CandleSource, symbol: str, name: str
    ) -> None:
        if name not in self._quotes:
            [self._quotes[name]] = [one.quote_asset for one in source.instruments([name])]
        own = known_records(conn, self._venue, [symbol])
        if any(record.quote_asset != self._quotes[name] for record in own):
            raise InvalidInputError(
                f"{self._venue} {symbol} is told in {own[0].quote_asset}, "
                f"{self._second.choice.venue} {name} in {self._quotes[name]}: correct "
                "second_source of Variable universe"
            )

    def _land(
        self, conn: Connection, source: CandleSource, symbol: str, rows: CandleRows, piece: Span
    ) -> int:
        choice, count = self._second.choice, 0
        for part in split_batches(piece, self._target.settings.batch_days):
            inside = rows.take((rows.open_ms >= part.start_ms) & (rows.open_ms < part.end_ms))
            batch = Batch(
                self._venue,
                symbol,
                part,
                SECOND_VENUE,
                self._server_time_ms,
                origin=f"{choice.venue} {choice.symbols[symbol]}",
            )
            count += land_rows(conn, Fetched(inside), batch, self._target, traits=source.traits)
        return count


@contextmanager
def lending(
    second: SecondVenue | None, venue: str, target: Landing, at: datetime
) -> Iterator[Lender | None]:
    """Yield who stands in for ``venue``, None where nobody was named."""
    if second is None:
        yield None
        return
    with ExitStack() as stack:
        yield Lender(stack, second, venue, target, at)


def _own_closes(conn: Connection, instrument_id: int, span: Span) -> Closes:
    """Return closes the venue itself stated: what was lent before proves nothing."""
    stored = read_columns(conn, M1, instrument_id, span)
    own = (stored.cells["flags"] & FOREIGN) == 0
    return Closes(stored.open_us[own] // 1000, stored.cells["close"][own])


def _closes(rows: CandleRows) -> Closes:
    opens, first = np.unique(rows.open_ms, return_index=True)
    return Closes(opens, rows.column("close")[first])
