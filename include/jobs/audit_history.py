"""Read settled days again, and archive files that were replaced, so that revisions are found.

What comes is landed like everything else: the gate judges it, the load compares it row by row, and
only what differs is written, with the old value kept.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta

from include.exchanges.base import CandleSource
from include.exchanges.binance_archive.client import BinanceArchive
from include.exchanges.binance_archive.layout import parse_path
from include.jobs.land_archive import ArchiveTask, land_archive, land_files, touch
from include.jobs.land_candles import Landing, land_candles
from include.jobs.storage import OpenPath
from include.market.settings import Settings
from include.market.span import Span, from_ms, subtract_spans
from include.market.timeframe import DAY_MS
from include.warehouse.archive_files import files_due, mark_file_checked
from include.warehouse.engine import Connection
from include.warehouse.ledger import coverage
from include.warehouse.reference import instrument_ids

AUDIT_AFTER_DAYS = (1, 7)
"""A day is read again so many days after it ended: venues and archives mend their data late."""

RECHECK_AFTER = timedelta(days=7)
FILES_PER_RUN = 500

log = logging.getLogger(__name__)


def audit_venue(
    conn: Connection,
    source: CandleSource,
    open_path: OpenPath,
    settings: Settings,
    symbols: Sequence[str],
    *,
    run_id: str,
    archive: BinanceArchive | None = None,
) -> dict[str, int]:
    """Land what is due for a second look; return how many days, files and rows came.

    Only days whose candles are covered are audited: what was never loaded is backfill's work.
    """
    totals = {"days": 0, "files": 0, "rows": 0}
    if not source.traits.is_live:
        return totals
    server_time_ms = source.server_time_ms()
    landing = Landing(open_path, settings, run_id)
    known = instrument_ids(conn, source.venue.name)
    for symbol in (symbol for symbol in symbols if symbol in known):
        covered = coverage(conn, "candle_1m", known[symbol])
        for day in days_due(server_time_ms):
            if not any(touch(day, span) for span in covered):
                continue
            totals["days"] += 1
            totals["rows"] += _audit_day(
                conn, source, symbol, day, landing, archive=archive, server_time_ms=server_time_ms
            )
    if archive is not None:
        rows, files = reload_revised_files(
            conn, archive, source, landing, server_time_ms=server_time_ms
        )
        totals["rows"] += rows
        totals["files"] += files
    return totals


def days_due(server_time_ms: int) -> list[Span]:
    """Return the whole UTC days to audit today, oldest first."""
    today_ms = server_time_ms - server_time_ms % DAY_MS
    starts = sorted(today_ms - days * DAY_MS for days in AUDIT_AFTER_DAYS)
    return [Span(start_ms, start_ms + DAY_MS) for start_ms in starts]


def reload_revised_files(
    conn: Connection,
    archive: BinanceArchive,
    source: CandleSource,
    landing: Landing,
    *,
    server_time_ms: int,
) -> tuple[int, int]:
    """Land files whose checksum changed since they were read; return rows and files landed."""
    rows = files = 0
    before = from_ms(server_time_ms) - RECHECK_AFTER
    for stored in files_due(conn, venue=source.venue.name, before=before, limit=FILES_PER_RUN):
        file = parse_path(stored.path)
        if file.market != archive.market:
            continue
        stated = archive.published_sha256(file)
        if stated is None or stated == stored.sha256:
            mark_file_checked(conn, stored.path, sha256=stored.sha256)
            continue
        found = archive.read_candles(file)
        if found is None:
            continue
        log.warning("%s was replaced upstream: loading it again", stored.path)
        task = ArchiveTask(archive, source, stored.symbol, server_time_ms)
        rows += land_files(conn, task, [found], file.span, landing)
        files += 1
    return rows, files


def _audit_day(
    conn: Connection,
    source: CandleSource,
    symbol: str,
    day: Span,
    landing: Landing,
    *,
    archive: BinanceArchive | None,
    server_time_ms: int,
) -> int:
    rows, settled = 0, list[Span]()
    if archive is not None:
        task = ArchiveTask(archive, source, symbol, server_time_ms)
        rows, settled = land_archive(conn, task, day, landing)
    for piece in subtract_spans(day, settled):
        rows += land_candles(conn, source, symbol, piece, landing, server_time_ms=server_time_ms)
    return rows
