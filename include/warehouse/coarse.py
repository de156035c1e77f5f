"""Stores candles we computed: what is new at once, what differs through the merge all rows share.

Runs in the caller's transaction. Nothing is judged, for nobody else states a computed candle: what
is stored is compared with what was computed in memory, under the locks of the series.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from psycopg import sql

from include.cascade.buckets import ends_us
from include.cascade.series import SeriesCandles
from include.market.candle import COARSE_COLUMNS, OPTIONAL_COLUMNS
from include.market.errors import ContractError
from include.market.span import Span, from_ms
from include.market.timeframe import Timeframe
from include.warehouse.catalog import source_rank
from include.warehouse.columns import Mask, Places, is_absent
from include.warehouse.engine import Connection, database_errors
from include.warehouse.live_cascade import extend_alike, tell_alike
from include.warehouse.many_candles import OwnedSpan, read_many
from include.warehouse.merge import Batch, LoadReceipt, candle_table, lock_series, merge_staged
from include.warehouse.pgbinary import encode_rows, encode_times
from include.warehouse.settlement import Proof, extend_coverage
from include.warehouse.staging import copy_staged, stage_resolved
from include.warehouse.statements import fetch_value, statement

_SMALL: Final = ("flags", "children_present", "children_expected")
_SECONDS_BITS: Final = 34
"""Enough for the seconds of an open time until the year 2514."""


@dataclass(frozen=True, slots=True)
class _Work:
    """What is to be stored, and on whose behalf; ``span`` holds all that was rolled up."""

    timeframe: Timeframe
    computed: SeriesCandles
    span: Span
    source: str
    run_id: str


@dataclass(frozen=True, slots=True)
class _Fates:
    """What becomes of each computed candle, and which stored ones have none in their place."""

    new: Mask
    revised: Mask
    same: int
    gone: SeriesCandles


def store_coarse(
    connection: Connection,
    timeframe: Timeframe,
    computed: SeriesCandles,
    rebuilt: Sequence[OwnedSpan],
    *,
    proven: Sequence[OwnedSpan],
    run_id: str,
    source: str = "cascade",
) -> LoadReceipt:
    """Make the buckets of ``rebuilt`` hold ``computed``, and nothing else.

    A stored candle of ``rebuilt`` that was not computed again is withdrawn, and kept as a revision.

    Args:
        connection: in a transaction; its months exist.
        timeframe: whose table.
        computed: with ``children_present`` and ``children_expected``, all within ``rebuilt``.
        rebuilt: whole buckets, disjoint within each instrument.
        proven: those of them whose every minute is proven; they become coverage.
        run_id: the run that computed them.
        source: way they came.

    Raises:
        ContractError: a constraint refused a candle.
        InvalidInputError: market.source does not know the source.
        RetryableError: the database was lost or too busy; roll back.
    """
    if not rebuilt:
        return LoadReceipt(None, 0, 0, 0, 0)
    starts, ends = zip(*((span.start_ms, span.end_ms) for _, span in rebuilt), strict=True)
    work = _Work(timeframe, computed, Span(min(starts), max(ends)), source, run_id)
    with database_errors(f"merge of {len(computed)} candles {timeframe.label}"):
        source_rank(connection, source)
        lock_series(connection, timeframe.dataset, sorted({owner for owner, _ in rebuilt}))
        fates = _compare(computed, read_many(connection, timeframe, rebuilt))
        receipt = _store(connection, work, fates)
        _cover(connection, work, fates, proven, receipt.load_id)
    return receipt


def as_series(frame: pd.DataFrame) -> SeriesCandles:
    """Return a coarse frame with a column ``instrument_id``, in any order, as sorted arrays.

    Raises:
        ContractError: a column is missing, or an open time is absent or not aware.
    """
    missing = {"instrument_id", *COARSE_COLUMNS} - {"flags"} - set(frame.columns)
    if missing:
        raise ContractError(f"coarse frame lacks the columns {', '.join(sorted(missing))}")
    times = frame["open_time"]
    if not isinstance(times.dtype, pd.DatetimeTZDtype) or times.isna().any():
        raise ContractError(f"coarse frame, open_time: expected UTC times, was {times.dtype}")
    owners = frame["instrument_id"].to_numpy(dtype=np.int64)
    open_us = pd.DatetimeIndex(times).as_unit("us").asi8
    order = np.lexsort((open_us, owners))
    cells = {
        name: frame[name].to_numpy()[order] for name in COARSE_COLUMNS[1:] if name in frame.columns
    }
    cells.setdefault("flags", np.zeros(len(frame), dtype=np.int64))
    return SeriesCandles(owners[order], open_us[order], cells)


def _compare(computed: SeriesCandles, stored: SeriesCandles) -> _Fates:
    ranks = np.unique(np.concatenate([computed.owners, stored.owners]))
    keys, known = _keys(ranks, computed), _keys(ranks, stored)
    if not len(known):
        nothing = np.zeros(len(keys), dtype=np.bool_)
        return _Fates(~nothing, nothing, 0, stored)
    places = np.searchsorted(known, keys)
    places[places == len(known)] = 0
    is_known = np.asarray(known[places] == keys)
    same = is_known.copy()
    same[is_known] = _equal(computed.take(is_known), stored.take(places[is_known]))
    gone = stored.take(~np.isin(known, keys, assume_unique=True))
    return _Fates(~is_known, is_known & ~same, int(same.sum()), gone)


def _keys(ranks: Places, candles: SeriesCandles) -> Places:
    """Return one ascending number per candle: its instrument's rank, and when it opens."""
    ranked = np.searchsorted(ranks, candles.owners) << _SECONDS_BITS
    return np.asarray(ranked + candles.open_us // 1_000_000)


def _equal(computed: SeriesCandles, stored: SeriesCandles) -> Mask:
    """Tell which candles are equal to the bit; two absent values are equal."""
    same = np.ones(len(computed), dtype=np.bool_)
    for name in COARSE_COLUMNS[1:]:
        left, right = computed.cells[name], stored.cells[name]
        equal = left == right
        if name in OPTIONAL_COLUMNS and left.dtype.kind == "f":
            equal |= np.isnan(left) & np.isnan(right)
        same &= equal
    return same


def _store(connection: Connection, work: _Work, fates: _Fates) -> LoadReceipt:
    """Write what became of the candles; the receipt is of all of them together."""
    new, revised = int(fates.new.sum()), int(fates.revised.sum())
    gone, load_id = len(fates.gone), None
    if revised:
        # What is the same goes with them, unless there is nothing to go with.
        load_id = _revise(connection, work, fates)
    if new or gone or not revised:
        same = 0 if revised else fates.same
        load_id, recorded_at = _write_receipt(connection, work, new, same)
        if new:
            chosen = work.computed.take(fates.new)
            _copy(connection, work, chosen, load_id, recorded_at)
            runs = _runs(chosen, work.timeframe)
            tell_alike(connection, work.timeframe.dataset, runs, load_id)
        if gone:
            _withdraw(connection, work.timeframe, fates.gone, load_id)
    return LoadReceipt(load_id, new, revised, fates.same, 0, gone)


def _write_receipt(
    connection: Connection, work: _Work, new: int, same: int
) -> tuple[int, datetime]:
    values: dict[str, Any] = dict.fromkeys(
        ("venue", "symbol", "payload_sha256", "fencing_token", "observed_at"), None
    )
    values |= dict.fromkeys(("rows_updated", "rows_quarantined", "rows_accepted"), 0)
    values |= {
        "dataset": work.timeframe.dataset,
        "source": work.source,
        "run_id": work.run_id,
        "span_start": work.span.start_time,
        "span_end": work.span.end_time,
        "rows_in": new + same,
        "rows_inserted": new,
        "rows_unchanged": same,
        "step": work.timeframe.interval,
    }
    row = connection.execute(statement("ledger/write_load"), values).fetchone()
    if row is None:
        raise LookupError("expected the id of a receipt, was none")
    return row[0], row[1]


def _copy(
    connection: Connection,
    work: _Work,
    candles: SeriesCandles,
    load_id: int,
    recorded_at: datetime,
) -> None:
    """Write candles whose keys are free straight into their table."""
    values: dict[str, NDArray[Any]] = {
        "instrument_id": candles.owners.astype(np.int32),
        "open_time": encode_times(candles.open_us.view("datetime64[us]")),
        **{name: candles.cells[name] for name in COARSE_COLUMNS[1:] if name not in _SMALL},
        **{name: _small(name, candles.cells[name]) for name in _SMALL},
        "source": np.array(work.source.encode()),
        "load_id": np.array(load_id, dtype=np.int64),
        "recorded_at": encode_times(np.array(recorded_at.replace(tzinfo=None), "datetime64[us]")),
    }
    revisions = _revisions_before(connection, work, candles)
    if revisions.any():
        values["revision"] = (revisions + 1).astype(np.int32)
    for names, payload in _parts(values, len(candles)):
        copy = statement("market/copy_candles").format(
            table=candle_table(work.timeframe),
            columns=sql.SQL(", ").join(map(sql.Identifier, names)),
        )
        with connection.cursor() as cursor, cursor.copy(copy) as target:
            target.write(payload)


def _small(name: str, values: NDArray[Any]) -> NDArray[np.int16]:
    small = values.astype(np.int16)
    if not np.array_equal(small, values):
        raise ContractError(f"coarse candles, {name}: expected small whole numbers, was {values}")
    return small


def _revisions_before(connection: Connection, work: _Work, candles: SeriesCandles) -> Places:
    """Return the last revision each candle's key had before it was withdrawn, 0 for most."""
    known = {
        (owner, open_us): revision
        for owner, open_us, revision in connection.execute(
            statement("market/withdrawn_revisions"),
            {
                "timeframe": work.timeframe.label,
                "from_time": work.span.start_time,
                "to_time": work.span.end_time,
            },
        )
    }
    if not known:
        return np.zeros(len(candles), dtype=np.int64)
    keys = zip(candles.owners.tolist(), candles.open_us.tolist(), strict=True)
    return np.array([known.get(key, 0) for key in keys], dtype=np.int64)


def _parts(
    values: Mapping[str, NDArray[Any]], count: int
) -> Iterator[tuple[tuple[str, ...], bytes]]:
    """Yield rows in COPY format, those together that lack the same columns: these stay out."""
    absences = {
        name: mask for name in OPTIONAL_COLUMNS if (mask := is_absent(name, values[name])).any()
    }
    pattern = np.zeros(count, dtype=np.int64)
    for bit, mask in enumerate(absences.values()):
        pattern |= mask.astype(np.int64) << bit
    for lacking in np.unique(pattern).tolist():
        chosen: Places | slice = np.flatnonzero(pattern == lacking) if absences else slice(None)
        left_out = {name for bit, name in enumerate(absences) if lacking >> bit & 1}
        stated = {
            name: column[chosen] if column.ndim else column
            for name, column in values.items()
            if name not in left_out
        }
        rows = int((pattern == lacking).sum())
        yield tuple(stated), encode_rows(list(stated.values()), rows)


def _runs(candles: SeriesCandles, timeframe: Timeframe) -> Iterator[OwnedSpan]:
    """Yield the spans of candles that follow each other, each with its instrument.

    Instruments one after the other share one span where theirs are equal.
    """
    closes_us = ends_us(candles.open_us, timeframe)
    begins = np.ones(len(candles), dtype=np.bool_)
    begins[1:] = (candles.open_us[1:] != closes_us[:-1]) | (np.diff(candles.owners) != 0)
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(candles)) - 1
    starts_ms, ends_ms = candles.open_us[first] // 1000, closes_us[last] // 1000
    span = Span(0, 0)
    for owner, start_ms, end_ms in zip(
        candles.owners[first].tolist(), starts_ms.tolist(), ends_ms.tolist(), strict=True
    ):
        if span.start_ms != start_ms or span.end_ms != end_ms:
            span = Span(start_ms, end_ms)
        yield owner, span


def _cover(
    connection: Connection,
    work: _Work,
    fates: _Fates,
    proven: Sequence[OwnedSpan],
    load_id: int | None,
) -> None:
    """Add what is proven to the coverage; told of already is what has a new candle."""
    spans: dict[int, list[Span]] = {}
    for owner, span in proven:
        spans.setdefault(owner, []).append(span)
    computed = work.computed
    covered_us = int((ends_us(computed.open_us, work.timeframe) - computed.open_us).sum())
    proven_ms = sum(span.end_ms - span.start_ms for _, span in proven)
    if fates.new.all() and covered_us == proven_ms * 1000:
        extend_alike(connection, work.timeframe.dataset, spans)
    else:
        proofs = [Proof(owner, parts, load_id) for owner, parts in spans.items()]
        extend_coverage(connection, work.timeframe.dataset, proofs)


def _revise(connection: Connection, work: _Work, fates: _Fates) -> int | None:
    candles = work.computed.take(fates.revised)
    times = pd.to_datetime(candles.open_us, unit="us", utc=True).as_unit("us")
    frame = pd.DataFrame({"open_time": times, "instrument_id": candles.owners, **candles.cells})
    copy_staged(connection, stage_resolved(frame))
    batch = Batch(
        timeframe=work.timeframe,
        span=work.span,
        source=work.source,
        run_id=work.run_id,
        rows=len(frame),
        already_same=fates.same,
        keys_distinct=True,
    )
    receipt = merge_staged(connection, batch)
    return receipt.load_id


def _withdraw(
    connection: Connection, timeframe: Timeframe, candles: SeriesCandles, load_id: int
) -> None:
    values = {
        "timeframe": timeframe.label,
        "instrument_ids": candles.owners.tolist(),
        "open_times": [from_ms(open_us // 1000) for open_us in candles.open_us.tolist()],
        "load_id": load_id,
    }
    removed = fetch_value(connection, statement("market/remove_candles"), values)
    if removed != len(candles):
        raise LookupError(f"expected to withdraw {len(candles)} candles, was {removed}")
