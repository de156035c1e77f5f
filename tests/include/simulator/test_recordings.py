from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from include.market.errors import InvalidInputError
from include.simulator.recordings import read_recordings

HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
    "taker_buy_volume,taker_buy_quote_volume,ignore"
)
FIRST_MS = 1_690_848_000_000


def candle(minute: int, *, scale: int = 1) -> str:
    open_ms = (FIRST_MS + minute * 60_000) * scale
    return (
        f"{open_ms},4.25{minute},4.3000,4.100,4.2{minute},25259.10,{open_ms + 59_999},"
        f"107451.0165,208,5452.3,23199.1103,0"
    )


TRADES = "a,p,q,f,l,T,m,M\n7,0.0014,23.00000000,15,16,1690848000620,true,true\n"


def write(folder: Path, name: str, text: str) -> None:
    path = folder / name
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    elif name.endswith("zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name.removesuffix(".zip") + ".csv", text)
    else:
        path.write_text(text)


@pytest.mark.parametrize("name", ["FILUSDT-1m-2023.csv", "FILUSDT-1m.csv.gz", "FILUSDT-1m-a.zip"])
@pytest.mark.parametrize("header", [HEADER + "\n", ""])
@pytest.mark.parametrize("scale", [1, 1000])
def test_csv_rows_are_kept_as_written(tmp_path: Path, name: str, header: str, scale: int) -> None:
    rows = [candle(minute, scale=scale) for minute in range(3)]
    write(tmp_path, name, header + "\n".join(rows) + "\n")
    recording = read_recordings([tmp_path])[0]
    assert recording.symbol == "FILUSDT"
    assert recording.candles == {FIRST_MS + n * 60_000: row for n, row in enumerate(rows)}


def test_files_of_one_symbol_are_joined_and_the_later_wins(tmp_path: Path) -> None:
    write(tmp_path, "FILUSDT-1m-1.csv", f"{candle(0)}\n{candle(1)}\n")
    revised = candle(1).replace("208", "209")
    write(tmp_path, "FILUSDT-1m-2.csv", f"{revised}\n{candle(2)}\n")
    write(tmp_path, "FILUSDT-aggTrades-1.csv", TRADES)
    write(tmp_path, "NEARUSDT-1m-1.csv", candle(0))
    write(tmp_path, "notes.txt", "not a recording")
    first, second = read_recordings([tmp_path])
    assert (first.symbol, second.symbol) == ("FILUSDT", "NEARUSDT")
    assert list(first.candles.values()) == [candle(0), revised, candle(2)]
    assert list(first.agg_trades) == [7]
    assert [r.symbol for r in read_recordings([tmp_path], only=["NEARUSDT"])] == ["NEARUSDT"]


def test_parquet_candles_become_rows_of_twelve(tmp_path: Path) -> None:
    times = pd.to_datetime([FIRST_MS, FIRST_MS + 120_000], unit="ms", utc=True)
    numbers = {name: [0.001413, 1.5] for name in ("open", "high", "low", "close", "volume")}
    pd.DataFrame({"date": times, **numbers}).to_parquet(tmp_path / "XRP_ETH-1m.parquet")
    recording = read_recordings([tmp_path / "XRP_ETH-1m.parquet"])[0]
    assert recording.symbol == "XRPETH"
    assert list(recording.candles) == [FIRST_MS, FIRST_MS + 120_000]
    row = recording.candles[FIRST_MS].split(",")
    assert row[1:6] == ["0.00141300"] * 5
    assert len(row) == 12


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("FILUSDT-1m.csv", "mts,open,close,high,low,volume\n1,2,3,4,5,6\n", "mts,open,close"),
        ("FILUSDT-1m.csv", candle(0) + "\n1.70035E+12,1,2,3\n", "line 2"),
        ("FILUSDT-1m.csv", candle(0).replace("4.3000", 'x"'), "line 1"),
        ("FILUSDT-aggTrades.csv", "a,p,q\n1,2,3\n", "line 2"),
        ("other.csv", "", "holds no recording"),
        ("FILUSDT-aggTrades.csv", TRADES, "holds no recorded candles"),
    ],
)
def test_doubtful_files_are_refused_by_name(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    write(tmp_path, name, text)
    with pytest.raises(InvalidInputError, match=message) as caught:
        read_recordings([tmp_path])
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["A-1m.csv.gz", "A-1m.zip", "A-1m.parquet", "A-1m.csv"])
def test_broken_files_are_refused_by_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x1f\x8b\xff broken \x00\xff")
    with pytest.raises(InvalidInputError, match="cannot read") as caught:
        read_recordings([tmp_path])
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_absent_paths_and_symbols_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="does not exist"):
        read_recordings([tmp_path / "nowhere"])
    write(tmp_path, "FILUSDT-1m-1.csv", candle(0))
    with pytest.raises(InvalidInputError, match="no candles of BTCUSDT"):
        read_recordings([tmp_path], only=["BTCUSDT", "FILUSDT"])
