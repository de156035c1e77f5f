"""Which file of the archive holds what, and from when on it can be there. Pure.

Layout and publication times: https://github.com/binance/binance-public-data (README): a day's file
appears on the next day, a month's file on the first Monday of the next month. Both are the earliest
that is promised; a file that is not there yet, or never will be, is no error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from include.market.errors import InvalidInputError
from include.market.span import Span, from_ms, to_ms
from include.market.timeframe import DAY_MS, Timeframe, parse_timeframe

Market = Literal["spot", "um"]
Dataset = Literal["klines", "aggTrades", "fundingRate"]
Period = Literal["daily", "monthly"]

_FOLDERS: Final[dict[Market, str]] = {"spot": "data/spot", "um": "data/futures/um"}
_DATASETS: Final[tuple[Dataset, ...]] = ("klines", "aggTrades", "fundingRate")
_PATH: Final = re.compile(
    r"/(?P<folder>data/(spot|futures/um))/(daily|monthly)/(?P<dataset>\w+)/(?P<symbol>\w+)/"
    r"((?P<timeframe>\w+)/)?[\w-]+-(?P<year>\d{4})-(?P<month>\d\d)(-(?P<day>\d\d))?\.zip"
)
_EXAMPLE: Final = "/data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2025-01-31.zip"
_SYMBOL: Final = re.compile(r"[A-Z0-9]{2,30}(_[A-Z0-9]{1,10})?")


@dataclass(frozen=True, slots=True, order=True)
class ArchiveFile:
    """One zip of the archive; ``path`` is below the base URL, with its leading slash.

    ``span`` is the whole UTC day or month the file speaks for, half-open; ``timeframe`` is None for
    trades and funding.
    """

    span: Span
    path: str
    market: Market
    dataset: Dataset
    period: Period
    symbol: str
    timeframe: Timeframe | None = None

    @property
    def csv_name(self) -> str:
        """Name of the one member the zip must hold."""
        return self.path.rpartition("/")[2].removesuffix(".zip") + ".csv"

    @property
    def published_ms(self) -> int:
        """Earliest instant at which the file can be there, epoch milliseconds."""
        if self.period == "daily":
            return self.span.end_ms
        month_end = self.span.end_time
        return to_ms(month_end + timedelta(days=-month_end.weekday() % 7))


def plan_files(
    market: Market, symbol: str, timeframe: Timeframe, span: Span, *, now_ms: int
) -> list[ArchiveFile]:
    """Return the candle files that together cover what the archive can hold of ``span``.

    A month that lies in ``span`` as a whole comes as one file as soon as it is published; other
    days come one by one. Nothing is returned for the day of ``now_ms`` and later.

    Raises:
        InvalidInputError: ``symbol`` is no name Binance gives.
    """
    return _plan(market, "klines", symbol, timeframe, span, now_ms)


def plan_trade_files(market: Market, symbol: str, span: Span, *, now_ms: int) -> list[ArchiveFile]:
    """Return the daily files of aggregate trades that touch ``span``.

    Never monthly ones: one of those holds gigabytes.

    Raises:
        InvalidInputError: ``symbol`` is no name Binance gives.
    """
    return [
        file
        for month in _months(span)
        for file in _days(market, "aggTrades", symbol, None, _meet(month, span))
        if file.published_ms <= now_ms
    ]


def plan_funding_files(symbol: str, span: Span, *, now_ms: int) -> list[ArchiveFile]:
    """Return the funding files that touch ``span``; the archive has them by month only.

    Raises:
        InvalidInputError: ``symbol`` is no name Binance gives.
    """
    files = [_file("um", "fundingRate", symbol, None, "monthly", month) for month in _months(span)]
    return [file for file in files if file.published_ms <= now_ms]


def split_into_days(file: ArchiveFile) -> list[ArchiveFile]:
    """Return the daily files of a monthly one: what to ask for when the month is not there."""
    return _days(file.market, file.dataset, file.symbol, file.timeframe, file.span)


def parse_path(path: str) -> ArchiveFile:
    """Return the file that lies at ``path``, as one of the plans above named it.

    Raises:
        InvalidInputError: no file of ours lies there.
    """
    found = _PATH.fullmatch(path)
    if found is not None:
        market: Market = "um" if found["folder"].endswith("um") else "spot"
        year, month, day = int(found["year"]), int(found["month"]), int(found["day"] or 1)
        start = datetime(year, month, day, tzinfo=UTC)
        whole = _months(Span(to_ms(start), to_ms(start) + 1))[0]
        daily = found["day"] is not None
        span = Span(to_ms(start), to_ms(start) + DAY_MS) if daily else whole
        timeframe = parse_timeframe(found["timeframe"]) if found["timeframe"] else None
        dataset: Dataset = next(name for name in _DATASETS if name == found["dataset"])
        period: Period = "daily" if daily else "monthly"
        file = _file(market, dataset, found["symbol"], timeframe, period, span)
        if file.path == path:
            return file
    raise InvalidInputError(f"{path!r} is no path of the archive: expected one like {_EXAMPLE}")


def _plan(
    market: Market,
    dataset: Dataset,
    symbol: str,
    timeframe: Timeframe | None,
    span: Span,
    now_ms: int,
) -> list[ArchiveFile]:
    files: list[ArchiveFile] = []
    for month in _months(span):
        whole = _file(market, dataset, symbol, timeframe, "monthly", month)
        if _meet(month, span) == month and whole.published_ms <= now_ms:
            files.append(whole)
            continue
        days = _days(market, dataset, symbol, timeframe, _meet(month, span))
        files += [day for day in days if day.published_ms <= now_ms]
    return files


def _months(span: Span) -> list[Span]:
    months: list[Span] = []
    start = span.start_time.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while to_ms(start) < span.end_ms:
        years, months_past = divmod(start.month, 12)
        following = datetime(start.year + years, months_past + 1, 1, tzinfo=UTC)
        months.append(Span(to_ms(start), to_ms(following)))
        start = following
    return months


def _meet(one: Span, other: Span) -> Span:
    return Span(max(one.start_ms, other.start_ms), min(one.end_ms, other.end_ms))


def _days(
    market: Market, dataset: Dataset, symbol: str, timeframe: Timeframe | None, span: Span
) -> list[ArchiveFile]:
    first_ms = span.start_ms - span.start_ms % DAY_MS
    return [
        _file(market, dataset, symbol, timeframe, "daily", Span(day_ms, day_ms + DAY_MS))
        for day_ms in range(first_ms, span.end_ms, DAY_MS)
    ]


def _file(
    market: Market,
    dataset: Dataset,
    symbol: str,
    timeframe: Timeframe | None,
    period: Period,
    span: Span,
) -> ArchiveFile:
    if not _SYMBOL.fullmatch(symbol):
        raise InvalidInputError(
            f"symbol {symbol!r} is no name of Binance's archive: expected one like BTCUSDT"
        )
    kind = timeframe.label if timeframe is not None else dataset
    day = from_ms(span.start_ms)
    date = f"{day:%Y-%m-%d}" if period == "daily" else f"{day:%Y-%m}"
    folder = f"{_FOLDERS[market]}/{period}/{dataset}/{symbol}"
    if timeframe is not None:
        folder = f"{folder}/{kind}"
    path = f"/{folder}/{symbol}-{kind}-{date}.zip"
    return ArchiveFile(span, path, market, dataset, period, symbol, timeframe)
