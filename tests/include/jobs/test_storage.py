"""What is written comes back, and the hash is that of the rows' own text."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from include.exchanges.binance_spot.client import TRAITS
from include.exchanges.row_texts import as_texts
from include.exchanges.rows import NOT_STATED, CandleRows
from include.jobs.storage import payload_sha256, read_frame, write_rows


def candles(texts: list[bytes], *, packed: bool) -> CandleRows:
    count = len(texts)
    open_ms = 60_000 * np.arange(count, dtype=np.int64)
    values = np.arange(9.0 * count).reshape(count, 9)
    close_ms = np.where(np.arange(count) == 1, NOT_STATED, open_ms + 59_999)
    return CandleRows(open_ms, close_ms, values, as_texts(texts) if packed else texts)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(
    "texts",
    [[], [b"[1]"], [b"a,1", b"", b"c,3"], [b"two\nlines", b"x"], ["h\u00e9".encode(), b"n"]],
)
def test_rows_come_back_as_they_were(tmp_path: Path, texts: list[bytes], packed: bool) -> None:
    rows = candles(texts, packed=packed)
    write_rows(tmp_path / "landed.parquet", rows, server_time_ms=7, traits=TRAITS)
    found = read_frame(tmp_path / "landed.parquet")
    assert found.server_time_ms == 7
    assert found.frame["raw"].tolist() == [text.decode() for text in texts]
    assert found.frame["open"].tolist() == rows.values[:, 0].tolist()
    assert found.frame["trade_count"].tolist() == rows.values[:, 8].tolist()
    assert found.frame["close_time"].isna().tolist() == (rows.close_ms == NOT_STATED).tolist()


@pytest.mark.parametrize("packed", [True, False])
def test_the_hash_is_that_of_the_texts_each_on_a_line(packed: bool) -> None:
    rows = candles([b"a", b"b"], packed=packed)
    assert payload_sha256(rows) == hashlib.sha256(b"a\nb\n").hexdigest()


def test_no_rows_have_a_hash_too() -> None:
    assert payload_sha256(candles([], packed=True)) == hashlib.sha256(b"").hexdigest()
