"""CSV rows of the archive as Binance writes them, and zips whose bytes can be repeated."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable

from include.market.span import Span
from include.simulator.engine import AggTrade
from include.simulator.funding import FundingRate

MICROSECONDS_FROM_MS = 1_735_689_600_000
"""2025-01-01: spot files count microseconds from this day on; futures always milliseconds."""
HEADER_FROM_MS = 1_640_995_200_000
"""2022-01-01: futures files begin with a header row from this day on; spot files never do."""

_KLINE_HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
    "taker_buy_quote_volume,ignore"
)
_TRADE_HEADER = (
    "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"
)
_FUNDING_HEADER = "calc_time,funding_interval_hours,last_funding_rate"
_QUICK = 3
_EPOCH_OF_ZIP = (1980, 1, 1, 0, 0, 0)


def kline_lines(texts: list[str], span: Span, *, is_spot: bool) -> list[str]:
    """Return JSON arrays of 12 as lines of the file of ``span``; none for none."""
    lines = [text[1:-1].replace('"', "") for text in texts]
    if is_spot and span.start_ms >= MICROSECONDS_FROM_MS:
        lines = [_in_microseconds(line) for line in lines]
    return _with_header(lines, _KLINE_HEADER, span, is_spot=is_spot)


def agg_trade_lines(trades: Iterable[AggTrade], span: Span, *, is_spot: bool) -> list[str]:
    """Return aggregate trades as lines: 8 columns for spot, 7 for futures."""
    if is_spot:
        scale = 1_000 if span.start_ms >= MICROSECONDS_FROM_MS else 1
        return [
            f"{t.id},{t.price},{t.quantity},{t.first_id},{t.last_id},{t.time_ms * scale},"
            f"{t.buyer_maker},True"
            for t in trades
        ]
    return [
        f"{t.id},{t.price},{t.quantity},{t.first_id},{t.last_id},{t.time_ms},"
        f"{'true' if t.buyer_maker else 'false'}"
        for t in trades
    ]


def with_trade_header(lines: list[str], span: Span, *, is_spot: bool) -> list[str]:
    """Return lines of aggregate trades below the header, where the file of ``span`` has one."""
    return _with_header(lines, _TRADE_HEADER, span, is_spot=is_spot)


def funding_lines(rows: Iterable[FundingRate], interval_hours: int) -> list[str]:
    """Return funding payments as lines, the header first; none for none."""
    lines = [f"{row.time_ms},{interval_hours},{row.rate}" for row in rows]
    return [_FUNDING_HEADER, *lines] if lines else []


def zip_csv(name: str, lines: list[str]) -> bytes:
    """Return a zip of one file; the same lines always make the same bytes."""
    entry = zipfile.ZipInfo(name, date_time=_EPOCH_OF_ZIP)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    # Which system wrote it is part of the bytes: always claim Unix.
    entry.create_system = 3
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(entry, "\n".join([*lines, ""]), compresslevel=_QUICK)
    return buffer.getvalue()


def _in_microseconds(line: str) -> str:
    opened, first, high, low, close, volume, closed, rest = line.split(",", 7)
    return f"{opened}000,{first},{high},{low},{close},{volume},{closed}999,{rest}"


def _with_header(lines: list[str], header: str, span: Span, *, is_spot: bool) -> list[str]:
    if is_spot or not lines or span.start_ms < HEADER_FROM_MS:
        return lines
    return [header, *lines]
