"""Reading recorded candles and aggregate trades, keeping every number as it was written."""

from __future__ import annotations

import gzip
import re
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from include.market.errors import InvalidInputError

FILE_NAME = re.compile(
    r"(?P<symbol>[A-Za-z0-9_]+)-(?P<kind>1m|aggTrades)(?:[-_.].*)?"
    r"\.(?P<form>csv|csv\.gz|csv\.zip|zip|parquet)"
)
_NUMBER = r"-?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?"
_CANDLE = re.compile(rf"\d+(?:,{_NUMBER}){{5}},\d+,{_NUMBER},\d+(?:,{_NUMBER}){{3}}")
_TRADE = re.compile(
    rf"\d+,{_NUMBER},{_NUMBER},\d+,\d+,\d+,(?:true|false)(?:,(?:true|false))?", re.IGNORECASE
)
_CANDLE_HEADER = ("open_time", "open", "high", "low", "close", "volume")
_MICROSECONDS_FROM = 100_000_000_000_000
_REMEDY = (
    "expected files named SYMBOL-1m*.csv[.gz|.zip] (Binance's 12 kline columns) or "
    "SYMBOL-1m*.parquet (date, open, high, low, close, volume)"
)


@dataclass(slots=True)
class Recording:
    """All that is recorded of one symbol: CSV rows by open time in ms and by aggregate id.

    The rows are the recorded text; candles have 12 columns, aggregate trades 7 or 8.
    """

    symbol: str
    candles: dict[int, str] = field(default_factory=dict)
    agg_trades: dict[int, str] = field(default_factory=dict)


def to_milliseconds(instant: int) -> int:
    """Return an epoch time in ms; microseconds are known by their size."""
    return instant // 1000 if instant >= _MICROSECONDS_FROM else instant


def read_recordings(
    paths: Sequence[str | Path], *, only: Sequence[str] | None = None
) -> list[Recording]:
    """Read the recordings in folders (not in their subfolders) and files, by symbol.

    Where two files hold the same candle, the file later by name wins. Symbols without candles are
    left out, as are those not in ``only``.

    Raises:
        InvalidInputError: a path that is absent or holds no recording, a file that cannot be read,
            or a symbol of ``only`` that is not recorded.
    """
    found: dict[str, Recording] = {}
    for path in paths:
        for file, match in _list_files(Path(path)):
            symbol = match["symbol"].replace("_", "").upper()
            if only is None or symbol in only:
                _read_file(file, match, found.setdefault(symbol, Recording(symbol)))
    missing = sorted({*(only or ())} - {symbol for symbol in found if found[symbol].candles})
    where = ", ".join(map(str, paths))
    if missing:
        raise InvalidInputError(f"{where} holds no candles of {', '.join(missing)}: {_REMEDY}")
    recordings = [found[symbol] for symbol in sorted(found) if found[symbol].candles]
    if not recordings:
        raise InvalidInputError(f"{where} holds no recorded candles: {_REMEDY}")
    return recordings


def _list_files(path: Path) -> list[tuple[Path, re.Match[str]]]:
    if not path.exists():
        raise InvalidInputError(f"{path} does not exist: name a folder of recordings, {_REMEDY}")
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    named = [(file, FILE_NAME.fullmatch(file.name)) for file in files]
    matches = [(file, match) for file, match in named if match]
    if not matches:
        raise InvalidInputError(f"{path} holds no recording: {_REMEDY}")
    return matches


def _read_file(file: Path, match: re.Match[str], recording: Recording) -> None:
    try:
        if match["form"] == "parquet":
            recording.candles.update(_read_parquet(file))
            return
        lines = _read_text(file, match["form"]).splitlines()
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InvalidInputError(f"cannot read {file} ({reason}): replace or remove it") from None
    if match["kind"] == "1m":
        rows = _check_rows(file, lines, _CANDLE, _CANDLE_HEADER)
        recording.candles.update((to_milliseconds(int(row.partition(",")[0])), row) for row in rows)
    else:
        rows = _check_rows(file, lines, _TRADE, ())
        recording.agg_trades.update((int(row.partition(",")[0]), row) for row in rows)


def _read_text(file: Path, form: str) -> str:
    if form.endswith("zip"):
        with zipfile.ZipFile(file) as archive:
            return archive.read(archive.namelist()[0]).decode()
    content = file.read_bytes()
    return (gzip.decompress(content) if form.endswith("gz") else content).decode()


def _check_rows(
    file: Path, lines: list[str], legal: re.Pattern[str], header: Sequence[str]
) -> Iterable[str]:
    """Return the data rows.

    Raises:
        InvalidInputError: another header than ``header`` begins with, or a row that is not legal.
    """
    has_header = bool(lines) and not lines[0][:1].isdigit()
    if has_header:
        names = [name.strip().lower().replace(" ", "_") for name in lines[0].split(",")]
        if names[: len(header)] != list(header):
            raise InvalidInputError(
                f"cannot read {file}: its columns begin with {','.join(names[:6])}; {_REMEDY}"
            )
    for number, row in enumerate(lines[has_header:], start=1 + has_header):
        if row and not legal.fullmatch(row):
            raise InvalidInputError(
                f"cannot read {file}, line {number}: {row[:80]!r} is not a row of Binance's "
                "columns; repair or remove the file"
            )
    return filter(None, lines[has_header:])


def _read_parquet(file: Path) -> dict[int, str]:
    """Return candles of freqtrade's layout as rows of 12; what it does not hold is 0."""
    # Imported here: Arrow takes longer to load than the synthetic market takes to start.
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(file, columns=["date", "open", "high", "low", "close", "volume"])
    times = table["date"].cast(pa.timestamp("ms", tz="UTC"), safe=False).cast(pa.int64())
    columns = [
        [f"{value:.8f}" for value in table[name].to_pylist()]
        for name in ("open", "high", "low", "close", "volume")
    ]
    zero = "0.00000000"
    return {
        open_ms: f"{open_ms},{','.join(values)},{open_ms + 59_999},{zero},0,{zero},{zero},0"
        for open_ms, *values in zip(times.to_pylist(), *columns, strict=True)
    }
