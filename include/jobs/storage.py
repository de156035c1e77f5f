"""Parquet files in the landing zone, wherever that is."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import IO, Any, Protocol

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

SERVER_TIME = b"server_time_ms"


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


def payload_sha256(frame: pd.DataFrame) -> str:
    """Return the hash of the venue's own rows, independent of how Parquet packs them."""
    digest = hashlib.sha256()
    for row in frame["raw"]:
        digest.update(str(row).encode())
        digest.update(b"\n")
    return digest.hexdigest()


def write_frame(path: StoragePath, frame: pd.DataFrame, *, server_time_ms: int = 0) -> None:
    """Write ``frame`` and the venue's time of its fetch to ``path``; again is harmless."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    metadata = {**(table.schema.metadata or {}), SERVER_TIME: str(server_time_ms).encode()}
    buffer = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(metadata), buffer, compression="zstd")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as target:
        target.write(buffer.getvalue())


def read_frame(path: StoragePath) -> tuple[pd.DataFrame, int]:
    """Return the frame stored at ``path`` and the venue's time, epoch ms, of its fetch."""
    with path.open("rb") as stored:
        table = pq.read_table(io.BytesIO(stored.read()))
    frame: pd.DataFrame = table.to_pandas()
    return frame, int(table.schema.metadata[SERVER_TIME])
