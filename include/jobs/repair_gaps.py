"""Look again for what is absent, and prove or fill it.

What a look finds is landed like everything else: the gate judges it, the load stores it, and the
later stages are told. What it does not find is a look in vain: it is counted, the next one waits
longer, and after enough of them the absence is either proven or given up.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from include.exchanges.base import CandleSource
from include.exchanges.binance_archive.client import BinanceArchive
from include.exchanges.binance_archive.parse import ArchiveCandles
from include.exchanges.rows import CandleRows
from include.exchanges.second_venue import SecondVenue
from include.jobs.ask_twice import Fetched, fetch_windows, recheck_windows
from include.jobs.explain_gaps import DATASET, explain_venue
from include.jobs.land_archive import ArchiveTask, holes_in_files, land_files, read_archive
from include.jobs.land_candles import Batch, Landing, land_rows, split_batches
from include.jobs.looks_in_vain import note_failure, note_held, note_lent, note_look
from include.jobs.note_unasked import note_unasked
from include.jobs.second_source import Lender, lending
from include.jobs.storage import OpenPath
from include.market.errors import CandlewickError, RateLimitedError
from include.market.settings import Settings
from include.market.span import (
    Span,
    intersect_spans,
    next_month_ms,
    subtract_spans,
    to_ms,
)
from include.market.timeframe import DAY_MS, M1
from include.quality.looks import Look, read_looks, with_look
from include.warehouse.engine import Connection
from include.warehouse.explanation import Explainer
from include.warehouse.gaps import OpenGap
from include.warehouse.reference import instrument_ids
from include.warehouse.repairs import (
    DueGap,
    due_gaps,
    held_spans,
    put_off_gap,
    refused_rows,
    same_text,
)

HORIZON_MS = 30 * DAY_MS
"""How far back gaps are explained anew and spans nobody asked for are noticed."""
ARCHIVE_AFTER_MS = 36 * 3_600_000
"""A day's file is published some hours after the day has ended."""
WIDER_MS, WIDEST_MS = DAY_MS // 2, 7 * DAY_MS
"""How much further out each look in vain seeks the candles around a gap, and where that ends."""
MOST_GAPS = 500
"""Gaps looked for in one run; the rest waits for the next one."""
ON_ITS_WAY = timedelta(minutes=30)
"""How long what was found is given to be checked and loaded."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Repair:
    """Where to look, for whom, and when: ``server_time_ms`` is the venue's clock, ``at`` ours."""

    source: CandleSource
    archive: BinanceArchive | None
    target: Landing
    server_time_ms: int
    at: datetime
    lender: Lender | None = None

    @property
    def venue(self) -> str:
        """Name of the venue."""
        return self.source.venue.name


def repair_venue(
    conn: Connection,
    source: CandleSource,
    open_path: OpenPath,
    settings: Settings,
    symbols: Sequence[str],
    *,
    run_id: str,
    at: datetime,
    archive: BinanceArchive | None = None,
    second: SecondVenue | None = None,
) -> dict[str, int]:
    """Explain and look for what is absent of ``symbols`` of one venue; return what became of it.

    First comes what costs no request: reasons that can be told from what is stored. Then gaps that
    are due are asked for, of the archive first where its file is there. ``rows`` counts rows
    landed, ``filled`` the gaps they are for, ``in_vain`` the looks that found nothing, ``proven``
    those that settled the matter, ``given_up`` those that were the last, ``held`` the tries beside
    an earlier one that the gate holds back, ``lent`` the gaps for which the ``second`` venue had
    rows after enough looks at the venue itself.
    """
    venue, now_ms = source.venue.name, to_ms(at)
    recent = Span(now_ms - HORIZON_MS, now_ms)
    totals = Counter(explain_venue(conn, venue, recent, run_id=run_id, at=at, thorough=True))
    if not source.traits.is_live:
        return dict(totals)
    known = instrument_ids(conn, venue)
    followed = {known[symbol]: symbol for symbol in symbols if symbol in known}
    totals["unasked"] = note_unasked(conn, venue, followed, recent, at)
    due = due_gaps(conn, DATASET, followed, at, limit=MOST_GAPS)
    if not due:
        return dict(totals)
    target = Landing(open_path, settings, run_id)
    with lending(second, venue, target, at) as lender:
        repair = Repair(source, archive, target, source.server_time_ms(), at, lender)
        for (_, symbol), gaps in sorted(_by_series(due).items()):
            totals.update(_SeriesRepair(conn, repair, symbol).run(gaps))
    return dict(totals)


class _SeriesRepair:
    """The looks at one instrument's gaps, and what became of them."""

    def __init__(self, conn: Connection, repair: Repair, symbol: str) -> None:
        self._conn, self._repair, self._symbol = conn, repair, symbol
        self._totals: Counter[str] = Counter()
        self._explainer = Explainer(DATASET, repair.venue, repair.target.run_id, repair.at)
        self._held = held_spans(conn, DATASET, repair.venue, symbol)

    def run(self, gaps: Sequence[OpenGap]) -> Counter[str]:
        """Look for every gap, in the archive first, and return what became of them."""
        known: dict[int, OpenGap | None] = {gap.gap_id: gap for gap in gaps}
        for month in self._months(gaps):
            for gap, looked in self._in_archive(month):
                # What the archive lacks is asked of the venue: the two looks are written together.
                known[gap.gap_id] = looked
        rest = [gap for gap in known.values() if gap is not None]
        page_limit = self._repair.target.settings.page_limit
        for window in recheck_windows([gap.span for gap in rest], page_limit):
            inside = [gap for gap in rest if _is_between(gap.span, window)]
            self._look_at_venue(self._widened(window, inside), inside)
        return self._totals

    def _months(self, gaps: Sequence[OpenGap]) -> list[list[OpenGap]]:
        """Return the gaps old enough to be in the archive, those of one month together."""
        repair = self._repair
        until_ms = repair.server_time_ms - ARCHIVE_AFTER_MS
        months: dict[int, list[OpenGap]] = defaultdict(list)
        for gap in gaps if repair.archive is not None else ():
            if gap.span.end_ms <= until_ms:
                months[next_month_ms(gap.span.start_ms)].append(gap)
        return list(months.values())

    def _in_archive(self, gaps: Sequence[OpenGap]) -> list[tuple[OpenGap, OpenGap | None]]:
        """Land what the archive has of the gaps of a month.

        Return each with what is known of it after the look; None for one that something came of.
        """
        repair = self._repair
        if repair.archive is None:
            return []
        task = ArchiveTask(repair.archive, repair.source, self._symbol, repair.server_time_ms)
        hull = Span(gaps[0].span.start_ms, max(gap.span.end_ms for gap in gaps))
        try:
            # Read once for all of them: a file is a whole day or month.
            files = read_archive(task, hull)
            return [(gap, self._land_files(task, files, gap)) for gap in gaps]
        except RateLimitedError:
            raise
        except CandlewickError as error:
            log.warning("%s %s, archive: %s", repair.venue, self._symbol, error)
            return []

    def _land_files(
        self, task: ArchiveTask, files: Sequence[ArchiveCandles], gap: OpenGap
    ) -> OpenGap | None:
        holding = [found for found in files if len(_inside(found.rows, gap.span))]
        rows = sum(
            land_files(self._conn, task, [found], gap.span, self._repair.target)
            for found in holding
        )
        if rows:
            self._expect(gap, rows)
            return None
        if subtract_spans(gap.span, [found.file.span for found in files]):
            return gap
        look = self._look("archive", gap, holes_in_files(files))
        return replace(gap, proof=with_look(gap.proof, look))

    def _look_at_venue(self, window: Span, gaps: Sequence[OpenGap]) -> None:
        """Ask the venue for a window, and land or count what it says of each gap in it."""
        page_limit = self._repair.target.settings.page_limit
        try:
            found = fetch_windows(self._repair.source, self._symbol, [window], page_limit)
        except RateLimitedError:
            raise
        except CandlewickError as error:
            log.warning("%s %s: %s", self._repair.venue, self._symbol, error)
            for gap in gaps:
                rest = self._borrow(gap)
                if rest is not None:
                    self._totals[note_failure(self._conn, self._explainer, rest, error)] += 1
            return
        for gap in gaps:
            rows = _inside(found.rows, gap.span)
            if len(rows) and not self._is_known(gap, rows):
                self._expect(gap, self._land(gap, replace(found, rows=rows)))
            elif (rest := self._borrow(gap)) is not None:
                self._note(rest, found.seen)

    def _widened(self, window: Span, gaps: Sequence[OpenGap]) -> Span:
        """Return as much around a window as one answer holds, or more where that was too little.

        The candles on both sides may lie further out, beyond other gaps.
        """
        page_ms = self._repair.target.settings.page_limit * M1.length_ms
        spare_ms = M1.floor_ms(max(0, page_ms - (window.end_ms - window.start_ms)) // 2)
        for gap in gaps:
            if not any(look.neighbours for look in read_looks(gap.proof)):
                spare_ms = max(spare_ms, min(gap.attempts * WIDER_MS, WIDEST_MS))
        closed_ms = M1.floor_ms(self._repair.server_time_ms)
        end_ms = max(window.end_ms, min(window.end_ms + spare_ms, closed_ms))
        # What a venue no longer keeps must not cost what it does keep.
        depth = self._repair.source.traits.depth_candles
        oldest_ms = 0 if depth is None else closed_ms - (depth - 1) * M1.length_ms
        start_ms = min(window.start_ms, max(window.start_ms - spare_ms, oldest_ms))
        return Span(max(0, start_ms), end_ms)

    def _land(self, gap: OpenGap, found: Fetched) -> int:
        """Land what the venue has of a gap, in pieces as long as any other."""
        repair, count = self._repair, 0
        for piece in split_batches(gap.span, repair.target.settings.batch_days):
            rows = _inside(found.rows, piece)
            if len(rows):
                batch = Batch(repair.venue, self._symbol, piece, "rest", repair.server_time_ms)
                count += land_rows(
                    self._conn,
                    replace(found, rows=rows),
                    batch,
                    repair.target,
                    traits=repair.source.traits,
                )
        return count

    def _expect(self, gap: OpenGap, rows: int) -> None:
        if intersect_spans([gap.span], self._held):
            # What came before was held back: as that may go on, each try waits longer.
            self._totals[note_held(self._conn, self._explainer, gap)] += 1
        else:
            with self._conn.transaction():
                put_off_gap(self._conn, gap.gap_id, self._repair.at + ON_ITS_WAY)
        self._totals.update(rows=rows, filled=1)

    def _borrow(self, gap: OpenGap) -> OpenGap | None:
        """Land what the second venue has of a gap, if that is due.

        Return the gap with what is known of it after that; None for one that something came of.
        """
        lender = self._repair.lender
        lent = lender.fill(self._conn, gap, self._symbol) if lender is not None else None
        if lent is None:
            return gap
        if not lent.rows:
            return replace(gap, proof={**gap.proof, **lent.note})
        until = self._repair.at + ON_ITS_WAY
        note_lent(self._conn, self._explainer, gap, lent.note, until)
        self._totals.update(rows=lent.rows, filled=1, lent=1)
        return None

    def _note(self, gap: OpenGap, seen: Sequence[Span]) -> None:
        look = self._look("rest", gap, seen)
        means = self._repair.source.traits.absent_means
        self._totals[note_look(self._conn, self._explainer, gap, look, means=means)] += 1

    def _look(self, way: str, gap: OpenGap, seen: Sequence[Span]) -> Look:
        return Look(to_ms(self._repair.at), way, neighbours=not subtract_spans(gap.span, seen))

    def _is_known(self, gap: OpenGap, rows: CandleRows) -> bool:
        """Tell whether rows are the very ones that were refused before."""
        landing_id = gap.proof.get("refused_in_landing")
        if landing_id is None:
            return False
        known = refused_rows(self._conn, int(landing_id))
        return all(same_text(raw.decode("utf-8", "replace")) in known for raw in rows.raw)


def _by_series(due: Sequence[DueGap]) -> dict[tuple[int, str], list[OpenGap]]:
    groups: dict[tuple[int, str], list[OpenGap]] = defaultdict(list)
    for one in due:
        groups[one.gap.instrument_id, one.symbol].append(one.gap)
    return {key: sorted(gaps, key=lambda gap: gap.span) for key, gaps in groups.items()}


def _inside(rows: CandleRows, span: Span) -> CandleRows:
    return rows.take((rows.open_ms >= span.start_ms) & (rows.open_ms < span.end_ms))


def _is_between(span: Span, window: Span) -> bool:
    """Tell whether a window was made for ``span``: it holds the minutes on both sides of it."""
    minute = M1.length_ms
    return window.start_ms <= span.start_ms - minute and span.end_ms + minute <= window.end_ms
