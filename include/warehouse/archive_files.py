"""Which files of a venue's archive were read, with which content, and when to ask again.

Nothing here commits: the caller's transaction does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import TupleRow

from include.market.errors import InvalidInputError
from include.market.span import Span, to_ms
from include.warehouse.engine import Connection, database_errors
from include.warehouse.statements import statement


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file as it was last read; ``span`` is half-open, ``sha256`` is 64 hexadecimal digits."""

    path: str
    venue: str
    symbol: str
    dataset: str
    timeframe: str | None
    span: Span
    sha256: str
    size_bytes: int
    rows: int
    etag: str | None
    first_seen_at: datetime
    checked_at: datetime
    revised_count: int


def record_file(
    connection: Connection,
    *,
    path: str,
    venue: str,
    symbol: str,
    dataset: str,
    timeframe: str | None,
    span: Span,
    sha256: str,
    size_bytes: int,
    rows: int,
    etag: str | None = None,
) -> StoredFile:
    """Note that a file was read and landed; return its row.

    Call it in the transaction that registers the landing, so that a file counts as known only
    together with its rows. The same content again moves ``checked_at`` alone; other content is
    counted in ``revised_count``.

    Raises:
        ContractError: ``sha256`` is no hash, or a number is negative.
    """
    values = {
        "path": path,
        "venue": venue,
        "symbol": symbol,
        "dataset": dataset,
        "timeframe": timeframe,
        "span_start": span.start_time,
        "span_end": span.end_time,
        "sha256": sha256,
        "bytes": size_bytes,
        "rows": rows,
        "etag": etag,
    }
    with database_errors(f"noting archive file {path}"):
        row = connection.execute(statement("ledger/record_archive_file"), values).fetchone()
    if row is None:
        raise LookupError(f"archive file {path} was deleted while it was noted")
    return _as_file(row)


def known_file(connection: Connection, path: str) -> StoredFile | None:
    """Return the file called ``path`` as it was last read, None when it never was."""
    row = connection.execute(statement("ledger/known_archive_file"), {"path": path}).fetchone()
    return None if row is None else _as_file(row)


def files_due(
    connection: Connection, *, venue: str, before: datetime, limit: int
) -> list[StoredFile]:
    """Return the files of ``venue`` last asked about before that instant, longest ago first."""
    values = {"venue": venue, "before": before, "limit": limit}
    rows = connection.execute(statement("ledger/archive_files_due"), values)
    return [_as_file(row) for row in rows]


def mark_file_checked(connection: Connection, path: str, *, sha256: str) -> None:
    """Note that the archive still states ``sha256`` for the file.

    Raises:
        InvalidInputError: the file is not known with that content: read it and record it.
    """
    values = {"path": path, "sha256": sha256}
    if connection.execute(statement("ledger/mark_archive_file_checked"), values).rowcount == 0:
        raise InvalidInputError(
            f"archive file {path} was never read with content {sha256[:12]}…: record it instead"
        )


def _as_file(row: TupleRow) -> StoredFile:
    path, venue, symbol, dataset, timeframe, start, end, *rest = row
    span = Span(to_ms(start), to_ms(end))
    return StoredFile(path, venue, symbol, dataset, timeframe, span, *rest)
