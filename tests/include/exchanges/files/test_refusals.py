"""What a file may hold wrongly: every refusal names file, line, value and remedy."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from include.exchanges.files import folder as folder_module
from include.exchanges.files.client import FileSource
from include.exchanges.rows import CandleRows, join_candles
from include.market.errors import InvalidInputError
from include.market.span import Span
from include.market.timeframe import M1, M5, Timeframe

T0 = 1_700_000_040_000
MINUTE = M1.length_ms
EVER = Span(0, 4 * 10**12)
HEADER = "t,o,h,l,c,v"
RECORDED = Path(__file__).parents[4].parent / "shared" / "data"
Open = Callable[..., FileSource]


def row(minute: int, *, when: object = None, price: object = 100) -> str:
    at = T0 + minute * MINUTE if when is None else when
    return f"{at},100,101,99,{price},2.5"


def read(source: FileSource, timeframe: Timeframe = M1) -> CandleRows:
    found = source.candles(next(iter(source._mapping.assets)), timeframe, EVER, page_limit=5000)
    return join_candles([page.rows for page in found])


def refused(tmp_path: Path, source: FileSource, *lines: str, message: str) -> str:
    (tmp_path / "BTCUSDT.csv").write_text("\n".join([HEADER, *lines]) + "\n")
    with pytest.raises(InvalidInputError, match=message) as caught:
        read(source)
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "BTCUSDT.csv") in str(caught.value)
    return str(caught.value)


def test_a_time_rounded_by_a_spreadsheet_is_refused(tmp_path: Path, open_source: Open) -> None:
    told = refused(
        tmp_path,
        open_source(),
        row(0),
        row(1, when="1.70035E+12"),
        message=r"line 3, column t: '1\.70035E\+12': a spreadsheet has rounded it",
    )
    assert "take the original file" in told


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (row(1, when="yesterday"), "line 3, column t: 'yesterday'"),
        (row(1, when=""), "line 3, column t: ''"),
        (
            row(1, when=T0 // 1000),
            "line 3, column t: '1700000040' is no time in ms: it looks like s",
        ),
        (row(1, when=T0 * 1000), "looks like us"),
        (row(1, when=7), "no unit makes a time of our age of it"),
        (row(1) + ",9", "line 3: has another number of cells"),
        (row(1)[:20], "line 3: has another number of cells"),
        (row(-1), "line 3: opens before the line above it: sort the file by time"),
    ],
)
def test_a_line_that_has_no_place_is_refused(
    bad: str, message: str, tmp_path: Path, open_source: Open
) -> None:
    refused(tmp_path, open_source(), row(0), bad, row(2), message=message)


def test_the_line_is_right_in_every_block(
    tmp_path: Path, open_source: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_module, "BLOCK_BYTES", 400)
    some = [row(minute) for minute in range(200)]
    some[150] = row(150, when="x")
    refused(tmp_path, open_source(), *some, message="line 152, column t: 'x'")
    some[150] = row(140)
    refused(tmp_path, open_source(), *some, message="line 152: opens before")


def test_time_does_not_run_back_between_blocks_or_files(
    tmp_path: Path, open_source: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_module, "BLOCK_BYTES", 200)
    some = [row(minute) for minute in [*range(20), *range(10, 30)]]
    refused(tmp_path, open_source(), *some, message=r"line 2\d: opens before")
    (tmp_path / "BTCUSDT.csv").write_text("\n".join([HEADER, row(0), row(5)]))
    (tmp_path / "BTCUSDT-2.csv").write_text("\n".join([HEADER, row(3), row(6)]))
    with pytest.raises(InvalidInputError, match=r"BTCUSDT-2\.csv, line 2: opens before the last"):
        read(open_source())


def test_a_price_that_is_no_number_is_left_to_the_gate(tmp_path: Path, open_source: Open) -> None:
    lines = [HEADER, row(0), row(1, price="n/a"), row(2, price=""), row(3)]
    (tmp_path / "BTCUSDT.csv").write_text("\n".join(lines))
    rows = read(open_source())
    assert np.isnan(rows.column("close")).tolist() == [False, True, True, False]
    assert rows.raw[1] == row(1, price="n/a").encode()


def test_many_such_prices_are_a_wrong_mapping(tmp_path: Path, open_source: Open) -> None:
    some = [row(minute, price="1'000") for minute in range(40)]
    refused(
        tmp_path, open_source(), *some, message=r'line 2, column c: "1\'000" is no number, and over'
    )


def test_columns_in_another_order_than_declared_are_refused(
    tmp_path: Path, open_source: Open
) -> None:
    columns = {"open": "o", "high": "l", "low": "h", "close": "c", "volume": "v"}
    some = [row(minute) for minute in range(20)]
    refused(tmp_path, open_source(columns=columns), *some, message="low <= open, close <= high")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("t,o,h,l,c,vol", "not so for v; the header is 't,o,h,l,c,vol'"),
        ("t,o,h,l,c,v,v", "once, was not so for v"),
        ("T0,1,2,3,4,5", "not so for t, o, h, l, c, v"),
    ],
)
def test_a_header_without_the_mapped_columns_is_refused(
    header: str, message: str, tmp_path: Path, open_source: Open
) -> None:
    (tmp_path / "BTCUSDT.csv").write_text(f"{header}\n{row(0)}\n")
    with pytest.raises(InvalidInputError, match=message):
        read(open_source())


@pytest.mark.parametrize(
    ("encoding", "message"),
    [("gbk", "not UTF-8"), ("utf-16", "UTF-16"), ("utf-16-le", "UTF-16"), ("big5", "not UTF-8")],
)
def test_a_header_in_another_encoding_is_refused(
    encoding: str, message: str, tmp_path: Path, open_source: Open
) -> None:
    body = f"t,o,h,l,c,v/成交量\n{row(0)}\n".encode(encoding)
    (tmp_path / "BTCUSDT.csv").write_bytes(body)
    with pytest.raises(InvalidInputError, match=message):
        read(open_source())


def test_text_without_an_end_of_line_is_refused_before_it_fills_the_memory(
    tmp_path: Path, open_source: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_module, "BLOCK_BYTES", 1000)
    (tmp_path / "BTCUSDT.csv.gz").write_bytes(gzip.compress(b"0" * 10_000_000))
    with pytest.raises(InvalidInputError, match="a line is longer than 1000 bytes"):
        read(open_source(pattern="{symbol}.csv.gz"))


def recorded(name: str, tmp_path: Path) -> Path:
    found = RECORDED / name
    if not found.exists():
        pytest.skip(f"{found} is not here: recorded market data lies beside the project")
    return Path(shutil.copy(found, tmp_path))


def test_bitfinex_a_year_with_its_own_order_of_columns(tmp_path: Path, open_source: Open) -> None:
    recorded("bitfinex_1m/LTCUSD-1m-2016.csv.gz", tmp_path)
    source = open_source(
        pattern="{symbol}-{timeframe}-*.csv.gz",
        has_header=False,
        time={"column": 1, "unit": "ms"},
        columns={"open": 2, "close": 3, "high": 4, "low": 5, "volume": 6},
        assets={"LTCUSD": ["LTC", "USD"]},
    )
    rows = read(source)
    assert len(rows) == 41_250
    assert (rows.column("high") >= rows.column("low")).all()
    assert rows.values[0, :5].tolist() == [3.4686, 3.4686, 3.4686, 3.4686, 19.5108]
    assert source.first_open_ms("LTCUSD", M1) == 1_451_606_700_000


def test_bybit_by_timeframe(tmp_path: Path, open_source: Open) -> None:
    recorded("bybit_linear/ADAUSDT_1m.csv.gz", tmp_path)
    recorded("bybit_linear/ADAUSDT_5m.csv.gz", tmp_path)
    names = ("open", "high", "low", "close", "volume")
    source = open_source(
        pattern="{symbol}_{timeframe}.csv.gz",
        time={"column": "timestamp", "unit": "iso"},
        columns={name: name for name in names},
        assets={"ADAUSDT": ["ADA", "USDT"]},
    )
    assert len(read(source)) == 43_200
    rows = read(source, M5)
    assert len(rows) == 8640
    assert (np.diff(rows.open_ms) == M5.length_ms).all()


def test_a_recorded_file_that_a_spreadsheet_damaged(tmp_path: Path, open_source: Open) -> None:
    recorded("rest_recorded/bbgo_BTCUSDT-1h-2023-11-18.csv.gz", tmp_path)
    names = ("open", "high", "low", "close", "volume")
    source = open_source(
        pattern="bbgo_{symbol}-1h-*.csv.gz",
        time={"column": "open_time", "unit": "ms"},
        columns={name: name for name in names},
    )
    with pytest.raises(
        InvalidInputError, match=r"line 2, column open_time: '1\.70027E\+12': a spread"
    ):
        read(source)


def test_a_recorded_header_whose_letters_are_lost(tmp_path: Path, open_source: Open) -> None:
    found = recorded("rest_recorded/bbgo_okex_aggtrades.csv.gz", tmp_path)
    found.rename(tmp_path / "BTCUSDT.csv.gz")
    with pytest.raises(InvalidInputError, match="not UTF-8"):
        read(open_source(pattern="{symbol}.csv.gz"))
