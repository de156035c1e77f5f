"""Stores features of candles: what is new or differs, and nothing for what no longer follows.

Nothing here commits: the caller's transaction does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import numpy as np
import pyarrow as pa
from psycopg import sql

from include.cascade.features import COUNT_FEATURES, FEATURES, FeatureRows
from include.market.span import Span, merge_spans, to_ms
from include.market.timeframe import Timeframe
from include.warehouse.derived import span_arrays, tell_withdrawn, write_receipt
from include.warehouse.encoding import encode_copy
from include.warehouse.engine import Connection, database_errors
from include.warehouse.statements import statement

TABLE: Final = "market.feature"
_STAGED: Final = ("instrument_id", "open_time", *FEATURES)


@dataclass(frozen=True, slots=True)
class Written:
    """What became of rows that were derived, and how many stored ones went away."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    withdrawn: int = 0


def feature_dataset(timeframe: Timeframe) -> str:
    """Return the ledger's name of the features of ``timeframe``."""
    return f"feature_{timeframe.name}"


def merge_features(
    connection: Connection,
    timeframe: Timeframe,
    rows: FeatureRows,
    *,
    spans: Mapping[int, Sequence[Span]],
    run_id: str,
) -> Written:
    """Make the features of ``timeframe`` in ``spans`` those of ``rows``, with receipt and changes.

    ``spans`` are the whole bars of every instrument that were derived, disjoint; the months of the
    rows have their partitions. Nothing is written where nothing differs.

    Raises:
        ContractError: a constraint refused a row.
        RetryableError: the database was lost or too busy; roll back.
    """
    dataset = feature_dataset(timeframe)
    with database_errors(f"merge of {len(rows)} rows {dataset}"):
        connection.execute(_formatted("market/stage_features"))
        if len(rows):
            _copy(connection, rows)
        gone = _drop_gone(connection, timeframe, spans)
        unchanged = connection.execute(
            _formatted("market/forgive_same_features"), {"timeframe": timeframe.label}
        ).rowcount
        written = _store(connection, timeframe, dataset, run_id=run_id, same=unchanged, gone=gone)
        connection.execute("DROP TABLE pg_temp.staged_features")
    return written


def _store(
    connection: Connection,
    timeframe: Timeframe,
    dataset: str,
    *,
    run_id: str,
    same: int,
    gone: Mapping[int, Sequence[Span]],
) -> Written:
    label = {"timeframe": timeframe.label}
    row = connection.execute(statement("market/count_new_features"), label).fetchone()
    staged, new, first, last = row if row is not None else (0, 0, None, None)
    withdrawn = [span for parts in gone.values() for span in parts]
    if not staged and not withdrawn:
        return Written(unchanged=same)
    hull = list(withdrawn)
    if staged:
        hull.append(Span(to_ms(first), timeframe.end_ms(to_ms(last))))
    load_id, recorded_at = write_receipt(
        connection,
        dataset,
        Span(min(one.start_ms for one in hull), max(one.end_ms for one in hull)),
        run_id=run_id,
        counts={"inserted": new, "updated": staged - new, "unchanged": same},
    )
    if staged:
        values = {
            **label,
            "dataset": dataset,
            "load_id": load_id,
            "recorded_at": recorded_at,
            "step": timedelta(milliseconds=timeframe.length_ms),
        }
        connection.execute(_formatted("market/merge_features"), values)
    tell_withdrawn(connection, dataset, load_id, gone)
    bars = sum(one.end_ms - one.start_ms for one in withdrawn) // timeframe.length_ms
    return Written(new, staged - new, same, bars)


def _drop_gone(
    connection: Connection, timeframe: Timeframe, spans: Mapping[int, Sequence[Span]]
) -> dict[int, list[Span]]:
    """Drop stored bars within ``spans`` that are not staged; return them as runs."""
    values = {"timeframe": timeframe.label, **span_arrays(spans)}
    gone: dict[int, list[Span]] = defaultdict(list)
    for owner, opened in connection.execute(statement("market/drop_gone_features"), values):
        start_ms = to_ms(opened)
        gone[owner].append(Span(start_ms, timeframe.end_ms(start_ms)))
    return {owner: merge_spans(parts) for owner, parts in gone.items()}


def _copy(connection: Connection, rows: FeatureRows) -> None:
    columns = [
        pa.array(rows.owners.astype(np.int32)),
        pa.array(rows.open_us, type=pa.timestamp("us", tz="UTC")),
        *(_column(name, rows.columns[name]) for name in FEATURES),
    ]
    copy = sql.SQL("COPY pg_temp.staged_features ({}) FROM STDIN (FORMAT BINARY)").format(
        _names(_STAGED)
    )
    with connection.cursor() as cursor, cursor.copy(copy) as target:
        for part in encode_copy(columns):
            target.write(part)


def _column(name: str, values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Any:
    """Return a column in which what is not known is null, never NaN."""
    unknown = np.isnan(values)
    if name in COUNT_FEATURES:
        whole = np.where(unknown, 0, values).astype(np.int16)
        return pa.array(whole, mask=unknown)
    return pa.array(values, mask=unknown)


def _formatted(name: str) -> sql.Composed:
    return statement(name).format(
        values=_names(FEATURES),
        stored=_names(FEATURES, "stored"),
        staged=_names(FEATURES, "staged"),
        excluded=_names(FEATURES, "EXCLUDED"),
    )


def _names(columns: Sequence[str], owner: str | None = None) -> sql.Composed:
    if owner is None:
        return sql.SQL(", ").join(map(sql.Identifier, columns))
    prefix = sql.SQL(f"{owner}.")
    return sql.SQL(", ").join(prefix + sql.Identifier(column) for column in columns)
