"""Files of a folder as candles: pages in time order, whatever the packing."""

from __future__ import annotations

import gzip
import io
import os
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.exchanges.base import CandlePage
from include.exchanges.files import folder as folder_module
from include.exchanges.files.client import FileSource
from include.exchanges.rows import CandleRows, join_candles
from include.market.errors import InvalidInputError, UnknownInstrumentError
from include.market.span import Span
from include.market.timeframe import M1, M5

T0 = 1_700_000_040_000
MINUTE = M1.length_ms
EVER = Span(0, 4 * 10**12)
HEADER = "t,o,h,l,c,v"
Open = Callable[..., FileSource]


def row(minute: int, price: float = 100.0, *, when: object = None) -> str:
    at = T0 + minute * MINUTE if when is None else when
    return f"{at},{price},{price + 1},{price - 1},{price},2.5"


def text(first: int, last: int, *, header: str = HEADER) -> str:
    return "\n".join([header, *(row(minute) for minute in range(first, last))]) + "\n"


def pages(source: FileSource, span: Span = EVER, limit: int = 1000) -> list[CandlePage]:
    return list(source.candles("BTCUSDT", M1, span, page_limit=limit))


def read(source: FileSource, span: Span = EVER, limit: int = 1000) -> CandleRows:
    return join_candles([page.rows for page in pages(source, span, limit)])


def minutes(rows: CandleRows) -> list[int]:
    return [(instant - T0) // MINUTE for instant in rows.open_ms.tolist()]


def test_candles_come_in_pages_that_together_cover_the_span(
    tmp_path: Path, open_source: Open
) -> None:
    (tmp_path / "BTCUSDT.csv").write_text(text(0, 25))
    span = Span(T0 + 2 * MINUTE, T0 + 30 * MINUTE)
    found = pages(open_source(), span, limit=10)
    assert [len(page.rows) for page in found] == [10, 10, 3]
    assert found[0].span.start_ms == span.start_ms
    assert found[-1].span.end_ms == span.end_ms
    assert all(a.span.end_ms == b.span.start_ms for a, b in pairwise(found))
    rows = join_candles([page.rows for page in found])
    assert minutes(rows) == list(range(2, 25))
    assert rows.values[0, :5].tolist() == [100.0, 101.0, 99.0, 100.0, 2.5]
    assert np.isnan(rows.values[:, 5:]).all()
    assert set(rows.close_ms.tolist()) == {-1}
    assert rows.raw[0] == row(2).encode()


def test_a_span_without_candles_is_one_empty_page(tmp_path: Path, open_source: Open) -> None:
    (tmp_path / "BTCUSDT.csv").write_text(text(0, 5))
    (page,) = pages(open_source(), Span(0, MINUTE))
    assert (len(page.rows), page.span) == (0, Span(0, MINUTE))
    (tmp_path / "BTCUSDT.csv").write_text(HEADER + "\n")
    source = open_source()
    assert len(read(source)) == 0
    assert source.first_open_ms("BTCUSDT", M1) is None


def test_spans_asked_for_one_after_another_go_on_where_the_last_one_stopped(
    tmp_path: Path, open_source: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_module, "BLOCK_BYTES", 300)
    (tmp_path / "BTCUSDT-1.csv").write_text(text(0, 50))
    (tmp_path / "BTCUSDT-2.csv").write_text(text(50, 90))
    source = open_source()
    seen: list[int] = []
    for first in range(-10, 100, 7):
        span = Span(T0 + first * MINUTE, T0 + (first + 7) * MINUTE)
        seen += minutes(read(source, span, limit=3))
        # A look back at what was just read does not lose the place.
        back = Span(span.start_ms - 3 * MINUTE, span.start_ms)
        known = range(max(0, first - 3), min(90, max(0, first)))
        assert minutes(read(source, back)) == list(known)
    assert seen == list(range(90))


def test_files_are_read_by_their_first_candle_not_by_their_name(
    tmp_path: Path, open_source: Open
) -> None:
    (tmp_path / "BTCUSDT-a.csv").write_text(text(10, 20))
    (tmp_path / "BTCUSDT-b.csv").write_text(text(0, 10))
    (tmp_path / "ETHUSDT.csv").write_text(text(30, 40))
    source = open_source()
    assert minutes(read(source)) == list(range(20))
    assert source.first_open_ms("BTCUSDT", M1) == T0


def test_lines_sent_twice_count_as_repeated_also_between_files(
    tmp_path: Path, open_source: Open
) -> None:
    (tmp_path / "BTCUSDT-a.csv").write_text(text(0, 10))
    (tmp_path / "BTCUSDT-b.csv").write_text(
        "\n".join([HEADER, row(9), row(10), row(10), row(11), row(11, 90.0)]) + "\n"
    )
    found = pages(open_source())
    assert minutes(join_candles([page.rows for page in found])) == [*range(12), 11]
    assert sum(page.repeated for page in found) == 2


def packed(name: str, body: bytes) -> bytes:
    if name.endswith(".gz"):
        return gzip.compress(body[:100]) + gzip.compress(body[100:])
    if name.endswith(".zst"):
        return bytes(pa.Codec("zstd").compress(body, asbytes=True))
    if name.endswith(".zip"):
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("prices.csv", body)
        return target.getvalue()
    return body


NAMES = ["BTCUSDT.csv", "BTCUSDT.csv.gz", "BTCUSDT.csv.zst", "BTCUSDT.csv.zip"]


@pytest.mark.parametrize("name", NAMES)
def test_packed_files_are_unpacked_while_reading(
    name: str, tmp_path: Path, open_source: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_module, "BLOCK_BYTES", 1000)
    (tmp_path / name).write_bytes(packed(name, text(0, 500).encode()))
    assert minutes(read(open_source(pattern="{symbol}.csv*"))) == list(range(500))


def test_a_zip_of_two_files_is_refused(tmp_path: Path, open_source: Open) -> None:
    with zipfile.ZipFile(tmp_path / "BTCUSDT.zip", "w") as archive:
        archive.writestr("a.csv", text(0, 5))
        archive.writestr("b.csv", text(5, 9))
    with pytest.raises(InvalidInputError, match="expected a zip of one file, was one of 2"):
        read(open_source(pattern="{symbol}.zip"))


@pytest.mark.parametrize("name", NAMES[1:])
def test_a_damaged_packing_is_refused_by_its_file(
    name: str, tmp_path: Path, open_source: Open
) -> None:
    body = bytearray(packed(name, text(0, 500).encode()))
    (tmp_path / name).write_bytes(body[: len(body) - 40])
    with pytest.raises(InvalidInputError, match=f"{name} is damaged"):
        read(open_source(pattern="{symbol}.csv*"))


def test_other_dialects_of_csv_are_declared(tmp_path: Path, open_source: Open) -> None:
    lines = ["t;o;h;l;c;v", '"1700000040000";"1,5";2,5;0,5;1,25;1e3']
    (tmp_path / "BTCUSDT.csv").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    rows = read(open_source(delimiter=";", decimal=","))
    assert rows.open_ms.tolist() == [T0]
    assert rows.values[0, :5].tolist() == [1.5, 2.5, 0.5, 1.25, 1000.0]


def test_columns_without_a_header_are_taken_by_position(tmp_path: Path, open_source: Open) -> None:
    (tmp_path / "BTCUSDT.csv").write_text(f"{T0},100,101,102,99,2.5\r\n{T0 + MINUTE},1,1,1,1,0\r\n")
    source = open_source(
        has_header=False,
        time={"column": 1, "unit": "ms"},
        columns={"open": 2, "close": 3, "high": 4, "low": 5, "volume": 6},
    )
    rows = read(source)
    assert rows.values[0, :5].tolist() == [100.0, 102.0, 99.0, 101.0, 2.5]
    assert len(rows) == 2


@pytest.mark.parametrize(
    ("unit", "when"),
    [
        ("s", T0 // 1000),
        ("ms", T0),
        ("us", T0 * 1000 + 999),
        ("ns", T0 * 1_000_000),
        ("iso", "2023-11-14T22:14:00Z"),
        ("iso", "2023-11-14 22:14:00+00:00"),
        ("iso", "2023-11-15T00:14:00.000+02:00"),
        ("iso", "2023-11-14 22:14"),
    ],
)
def test_times_of_every_unit_become_milliseconds(
    unit: str, when: object, tmp_path: Path, open_source: Open
) -> None:
    (tmp_path / "BTCUSDT.csv").write_text(f"{HEADER}\n{row(0, when=when)}\n")
    assert read(open_source(time={"column": "t", "unit": unit})).open_ms.tolist() == [T0]


def test_an_offset_counts_only_for_times_that_state_none(tmp_path: Path, open_source: Open) -> None:
    time = {"column": "t", "unit": "iso", "timezone": "+05:30"}
    (tmp_path / "BTCUSDT.csv").write_text(f"{HEADER}\n{row(0, when='2023-11-15 03:44:00')}\n")
    assert read(open_source(time=time)).open_ms.tolist() == [T0]
    both = [row(0, when="2023-11-15 03:44:00"), row(1, when="2023-11-14 22:15:00+00:00")]
    (tmp_path / "BTCUSDT.csv").write_text("\n".join([HEADER, *both]))
    assert read(open_source(time=time)).open_ms.tolist() == [T0, T0 + MINUTE]


@pytest.mark.parametrize("exclusive", [False, True])
def test_a_close_time_is_the_last_millisecond(
    exclusive: bool, tmp_path: Path, open_source: Open
) -> None:
    close_at = T0 + MINUTE - 1 + exclusive
    (tmp_path / "BTCUSDT.csv").write_text(f"{HEADER},e\n{row(0)},{close_at}\n")
    rows = read(open_source(close_time={"column": "e", "exclusive": exclusive}))
    assert rows.close_ms.tolist() == [T0 + MINUTE - 1]


def test_the_reference_data_is_what_the_mapping_declares(tmp_path: Path, open_source: Open) -> None:
    source = open_source(tick_size="0.01", kind="perpetual", absent_means="no_trade", title="Mine")
    (record,) = source.instruments(["BTCUSDT"])
    assert (record.base_asset, record.quote_asset, record.kind) == ("BTC", "USDT", "perpetual")
    assert (record.tick_size, record.lot_size, record.listed_at) == ("0.01", "0", None)
    assert (source.venue.name, source.venue.title) == ("files:test", "Mine")
    assert source.server_time_ms() == 1_900_000_000_000
    assert source.traits.absent_means == "no_trade"
    assert "quote_volume" in source.traits.absent_columns
    with pytest.raises(UnknownInstrumentError, match="names no assets for ETHUSDT"):
        source.instruments(["ETHUSDT"])


def table(first: int = 0, last: int = 30, **columns: Any) -> pa.Table:
    count = last - first
    data = {
        "t": [T0 + minute * MINUTE for minute in range(first, last)],
        "o": [100.0] * count,
        "h": [101] * count,
        "l": [99.0] * count,
        "c": [100.0] * count,
        "v": [2.5] * count,
        "other": [{"nested": 1}] * count,
    }
    return pa.table(data | columns)


def instants(zone: Any) -> pa.Array:
    start = datetime(2023, 11, 14, 22, 14, tzinfo=UTC)
    found = [start + timedelta(minutes=minute) for minute in range(30)]
    return pa.array(found, pa.timestamp("us", tz=zone))


@pytest.mark.parametrize(
    ("times", "unit"),
    [
        (None, "ms"),
        (instants("UTC"), "iso"),
        (instants("Europe/Berlin"), "iso"),
        (instants(None), "iso"),
        (instants(None).cast(pa.timestamp("ns")), "iso"),
    ],
)
def test_parquet_is_read_in_batches(
    times: Any, unit: str, tmp_path: Path, open_source: Open
) -> None:
    columns = {} if times is None else {"t": times}
    pq.write_table(table(**columns), tmp_path / "BTCUSDT.parquet", row_group_size=7)
    source = open_source(
        format="parquet", pattern="{symbol}.parquet", time={"column": "t", "unit": unit}
    )
    rows = read(source, limit=4)
    assert minutes(rows) == list(range(30))
    assert rows.values[0, :5].tolist() == [100.0, 101.0, 99.0, 100.0, 2.5]
    assert rows.raw[0].endswith(b",100,101,99,100,2.5")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"t": [1.5] * 30}, "column t: expected integers for time.unit ms, was double"),
        ({"t": [None] * 30}, "row 1, column t: has no time"),
        ({"o": ["100"] * 30}, "column o: expected numbers, was string"),
        ({"t": [T0 // 1000] * 30}, "looks like s"),
    ],
)
def test_parquet_of_other_types_is_refused(
    columns: dict[str, Any], message: str, tmp_path: Path, open_source: Open
) -> None:
    if columns.get("t", [0])[0] is None:
        columns = {"t": pa.array([None] * 30, pa.int64())}
    pq.write_table(table(**columns), tmp_path / "BTCUSDT.parquet")
    with pytest.raises(InvalidInputError, match=message):
        read(open_source(format="parquet", pattern="{symbol}.parquet"))


def test_parquet_that_is_none_or_lacks_columns_is_refused(
    tmp_path: Path, open_source: Open
) -> None:
    source = open_source(format="parquet", pattern="{symbol}.parquet")
    (tmp_path / "BTCUSDT.parquet").write_bytes(b"PAR1 nothing PAR1")
    with pytest.raises(InvalidInputError, match="is damaged"):
        read(source)
    pq.write_table(table().drop_columns(["v"]), tmp_path / "BTCUSDT.parquet")
    with pytest.raises(InvalidInputError, match="once, was not so for v; the file has t, o"):
        read(source)


def test_nothing_outside_the_folder_is_read(tmp_path: Path, open_source: Open) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "secret.csv").write_text(text(0, 5))
    (inner / "BTCUSDT.csv").symlink_to(tmp_path / "secret.csv")
    with pytest.raises(InvalidInputError, match="link out of"):
        read(open_source(url=str(inner)))
    (inner / "BTCUSDT.csv").unlink()
    (inner / "deep").symlink_to(tmp_path)
    with pytest.raises(InvalidInputError, match="link out of"):
        read(open_source(url=str(inner), pattern="deep/{symbol}*.csv"))


def test_a_link_within_the_folder_and_a_file_url_are_fine(
    tmp_path: Path, open_source: Open
) -> None:
    (tmp_path / "real.csv").write_text(text(0, 5))
    (tmp_path / "BTCUSDT.csv").symlink_to(tmp_path / "real.csv")
    assert len(read(open_source(url=f"file://{tmp_path}"))) == 5


def test_a_pipe_is_no_file(tmp_path: Path, open_source: Open) -> None:
    os.mkfifo(tmp_path / "BTCUSDT.csv")
    with pytest.raises(InvalidInputError, match="no file 'BTCUSDT"):
        read(open_source())


@pytest.mark.parametrize("url", [".", "file://host/tmp", "/no/such/folder", "s3://b/x"])
def test_a_folder_must_be_one_that_can_be_read(
    url: str, tmp_path: Path, open_source: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInputError, match="mapping of files, url"):
        read(open_source(url=url))


def test_a_symbol_without_files_is_told_not_taken_for_empty(open_source: Open) -> None:
    with pytest.raises(InvalidInputError, match="no file 'BTCUSDT"):
        open_source().first_open_ms("BTCUSDT", M1)


def test_coarser_candles_than_asked_for_are_refused(tmp_path: Path, open_source: Open) -> None:
    five = [row(minute * 5, when=1_700_000_100_000 + minute * 5 * MINUTE) for minute in range(40)]
    (tmp_path / "BTCUSDT.csv").write_text("\n".join([HEADER, *five]))
    source = open_source()
    with pytest.raises(
        InvalidInputError, match="expected 1m candles, but every one opens on full 5"
    ):
        read(source)
    found = source.candles("BTCUSDT", M5, EVER, page_limit=100)
    assert sum(len(page.rows) for page in found) == 40
