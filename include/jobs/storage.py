"""Parquet files in the landing zone, wherever that is."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO, Any, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from include.exchanges.row_texts import RowTexts, as_texts
from include.exchanges.rows import NOT_STATED, CandleRows, Ints
from include.exchanges.traits import Absence, VenueTraits
from include.market.candle import VALUE_COLUMNS
from include.market.span import Span

SERVER_TIME = "server_time_ms"
ABSENT = "absent_columns"
ABSENT_MEANS = "absent_means"
UNPROVEN = "unproven"


class StoragePath(Protocol):
    """What we need of a path: ``pathlib.Path`` has it, and Airflow's ObjectStoragePath."""

    @property
    def parent(self) -> Any:
        """Folder or prefix that holds this object."""
        ...

    def open(self, mode: str) -> AbstractContextManager[IO[Any]]:
        """Open the object."""
        ...

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        """Make the folder, where the store has folders."""
        ...

    def exists(self) -> bool:
        """Tell whether the object is there."""
        ...


OpenPath = Callable[[str], StoragePath]
"""Turns an address kept in ``ledger.landing`` into a path."""


@dataclass(frozen=True, slots=True)
class StoredFrame:
    """A frame read back: ``server_time_ms`` is the venue's clock before it was fetched.

    ``absent`` are the columns its source never states, ``absent_means`` is what its source means
    by a candle it leaves out, and ``unproven`` are the holes that no answer showed the ends of.
    """

    frame: pd.DataFrame
    server_time_ms: int
    absent: tuple[str, ...]
    absent_means: Absence
    unproven: tuple[Span, ...] = ()


def payload_sha256(rows: CandleRows) -> str:
    """Return the hash of the venue's own rows, independent of how Parquet packs them."""
    return hashlib.sha256(as_texts(rows.raw).lines).hexdigest()


def write_rows(
    path: StoragePath,
    rows: CandleRows,
    *,
    server_time_ms: int,
    traits: VenueTraits,
    unproven: Sequence[Span] = (),
) -> None:
    """Write rows as a landed frame to ``path``; again is harmless.

    ``unproven`` are the holes whose emptiness rests on silence alone.
    """
    known = {
        SERVER_TIME: str(server_time_ms),
        ABSENT: " ".join(traits.absent_columns),
        ABSENT_MEANS: traits.absent_means,
        UNPROVEN: json.dumps([[hole.start_ms, hole.end_ms] for hole in unproven]),
    }
    # Numbers hardly shrink; the text does, to half.
    _write(path, as_landed_table(rows), known, {"raw": "lz4"})


def write_frame(path: StoragePath, frame: pd.DataFrame, *, server_time_ms: int = 0) -> None:
    """Write ``frame`` to ``path``; again is harmless."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    _write(path, table, {SERVER_TIME: str(server_time_ms)}, "lz4")


def read_frame(path: StoragePath) -> StoredFrame:
    """Return the frame stored at ``path`` and what is known of its fetch."""
    return _read(path, None)


def read_open_times(path: StoragePath) -> StoredFrame:
    """Return only the open times of the frame stored at ``path``, without reading the rest."""
    return _read(path, ["open_time"])


def _read(path: StoragePath, columns: list[str] | None) -> StoredFrame:
    with path.open("rb") as stored:
        # What is wanted whole is fetched in one go; of the rest only what is asked for.
        source = io.BytesIO(stored.read()) if columns is None else stored
        table = pq.read_table(source, columns=columns)
    known = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    absent_means = known.get(ABSENT_MEANS, "unknown")
    return StoredFrame(
        table.to_pandas(),
        int(known[SERVER_TIME]),
        tuple(known.get(ABSENT, "").split()),
        absent_means if absent_means in ("outage", "no_trade") else "unknown",
        tuple(Span(start, end) for start, end in json.loads(known.get(UNPROVEN, "[]"))),
    )


def as_landed_table(rows: CandleRows) -> pa.Table:
    """Return rows with the columns and types of a landed frame (include/market/candle.py)."""
    columns: dict[str, Any] = {"open_time": _times(rows.open_ms)}
    for name in VALUE_COLUMNS:
        columns[name] = pa.array(np.ascontiguousarray(rows.column(name)))
    columns["close_time"] = _times(rows.close_ms)
    columns["raw"] = _texts(as_texts(rows.raw))
    return pa.table(columns)


def _texts(texts: RowTexts) -> pa.Array:
    """Return texts as a column, by their places in the buffer where that is all there is to do."""
    together, count = texts.lines.replace(b"\n", b""), len(texts)
    if len(together) == len(texts.lines) - count and together.isascii():
        places = (texts.starts - np.arange(count + 1)).astype(np.int32)
        return pa.StringArray.from_buffers(count, pa.py_buffer(places), pa.py_buffer(together))
    return pa.array(list(texts), type=pa.string())


def _times(instants_ms: Ints) -> pa.Array:
    stated = instants_ms != NOT_STATED
    mask = None if stated.all() else ~stated
    return pa.array(instants_ms * 1000, type=pa.timestamp("us", tz="UTC"), mask=mask)


def _write(
    path: StoragePath, table: pa.Table, known: Mapping[str, str], packing: str | dict[str, str]
) -> None:
    metadata = {**(table.schema.metadata or {}), **known}
    # What holds no null is said to hold none, so that no one need be marked as there.
    fields = [
        field.with_nullable(table.column(at).null_count > 0)
        for at, field in enumerate(table.schema)
    ]
    buffer = pa.BufferOutputStream()
    # Hardly any value repeats, so dictionaries would take half of the time for a longer file.
    pq.write_table(
        table.cast(pa.schema(fields, metadata=metadata)),
        buffer,
        compression=packing,
        use_dictionary=False,
        write_statistics=False,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as target:
        target.write(buffer.getvalue())
