"""What a patient person does with a river in bad weather: run it again where it is not done."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from include.market.errors import CandlewickError, RateLimitedError
from include.market.span import Span, merge_spans, subtract_all, subtract_spans, to_ms
from include.market.timeframe import DAY_MS, M1
from include.market.universe import Universe
from include.warehouse.ledger import coverage
from include.warehouse.reference import instrument_ids
from tests.support.fault_lab import settle
from tests.support.river import River

TRIES = 3
"""Of one task, as the DAGs have it."""
LONGEST_WAIT_S = 5.0
MANY_LOOKS = 6


class Operator:
    """Counts what went wrong; every run has an id of its own, every try of it the same."""

    def __init__(self, river: River) -> None:
        self.river = river
        self.errors: list[CandlewickError] = []
        self._runs = 0

    def backfill(self, span: Span, *, most_rounds: int) -> int:
        """Backfill until all of ``span`` is proven or often looked for; return the rounds it took.

        A silence without an end is never proven: it stays a task, and somebody else's patience.
        """
        for number in range(1, most_rounds + 1):
            todo = [
                (symbol, piece)
                for symbol in self.river.symbols
                for piece in self._unproven(symbol, span)
            ]
            if not todo:
                return number - 1
            for symbol, piece in todo:
                self._try(symbol, piece)
            settle(self.river, run_id=f"round-{number}")
            self._look_again(number)
        raise AssertionError(f"not done after {most_rounds} rounds: {self.errors[-5:]}")

    def _look_again(self, number: int) -> None:
        """Have the gaps repaired, every round a day after the one before.

        What one instrument alone lacks is proven by a look some time later.
        """
        at = datetime.now(UTC) + timedelta(days=number)
        try:
            self.river.repair(run_id=f"repair-{number}", at=at)
        except CandlewickError as error:
            self.errors.append(error)
        settle(self.river, run_id=f"repair-{number}")

    def ask_again(self, span: Span) -> None:
        """Ask once more for all that is written down as absent, with an hour around it."""
        for symbol in self.river.symbols:
            for gap in self._gaps(symbol, span):
                self._try(symbol, gap)
        settle(self.river, run_id="again")

    def try_until_done(self, work: str) -> None:
        """Run ``fetch`` or ``audit`` until it ends without an error."""
        for attempt in range(10):
            try:
                getattr(self.river, work)(run_id=f"{work}-{attempt}")
            except CandlewickError as error:
                self._note(error)
            else:
                settle(self.river, run_id=work)
                return
        raise AssertionError(f"{work} never ended well: {self.errors[-5:]}")

    def _try(self, symbol: str, span: Span) -> None:
        self._runs += 1
        self.river.universe = Universe({self.river.venue: (symbol,)})
        for _ in range(TRIES):
            try:
                self.river.backfill(span, run_id=f"run-{self._runs}")
            except CandlewickError as error:
                self._note(error)
            else:
                return

    def _note(self, error: CandlewickError) -> None:
        self.errors.append(error)
        if isinstance(error, RateLimitedError):
            time.sleep(min(error.retry_after_s or 0.0, LONGEST_WAIT_S))

    def _unproven(self, symbol: str, span: Span) -> Sequence[Span]:
        ids = instrument_ids(self.river.conn, self.river.venue)
        proven = coverage(self.river.conn, "candle_1m", ids[symbol])
        given_up = [
            Span(to_ms(start), to_ms(end))
            for start, end in self.river.conn.execute(
                "SELECT span_start, span_end FROM ledger.gap WHERE instrument_id = %s "
                "AND dataset = 'candle_1m' AND closed_at IS NULL AND reason = 'unknown' "
                "AND jsonb_array_length(proof -> 'looks') >= %s",
                (ids[symbol], MANY_LOOKS),
            )
        ]
        return _whole_days(subtract_all(subtract_spans(span, proven), given_up), span)

    def _gaps(self, symbol: str, span: Span) -> list[Span]:
        rows = self.river.conn.execute(
            "SELECT span_start, span_end FROM ledger.gap JOIN market.instrument "
            "USING (instrument_id) WHERE symbol = %s AND closed_at IS NULL "
            "AND dataset = 'candle_1m' ORDER BY 1",
            (symbol,),
        ).fetchall()
        hour_ms = 60 * M1.length_ms
        wider = [Span(to_ms(start) - hour_ms, to_ms(end) + hour_ms) for start, end in rows]
        return [_clip(gap, span) for gap in merge_spans(wider)]


def _whole_days(spans: Sequence[Span], limits: Span) -> list[Span]:
    days = [
        Span(span.start_ms - span.start_ms % DAY_MS, -(-span.end_ms // DAY_MS) * DAY_MS)
        for span in spans
    ]
    return [_clip(day, limits) for day in merge_spans(days)]


def _clip(span: Span, limits: Span) -> Span:
    return Span(max(span.start_ms, limits.start_ms), min(span.end_ms, limits.end_ms))
