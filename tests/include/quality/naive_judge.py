"""The rules once more, one plain row at a time: what the vectorised forms are held against."""

from __future__ import annotations

import math
from typing import Any

from include.market.candle import PRICE_COLUMNS, VALUE_COLUMNS, VOLUME_COLUMNS
from include.market.span import Span
from tests.include.quality.landed_frames import MINUTE_MS
from tests.include.quality.naive_alignment import align

Row = dict[str, Any]


def broken_rules(row: Row, span: Span, server_ms: int, absent: tuple[str, ...] = ()) -> list[str]:
    """Return the rules one aligned row breaks, in their fixed order."""
    checks = {
        "not_a_number": _is_unknown(row, absent),
        "undeclared_value": any(row[name] is not None for name in absent),
        "price_range": any(_outside(row[name], 1e-12, 1e12) for name in PRICE_COLUMNS),
        "volume_range": any(_outside(row[name], 0, 1e18) for name in VOLUME_COLUMNS),
        "ohlc_order": _is_disordered(row),
        "taker_volume": _greater(row["taker_buy_volume"], row["volume"])
        or _greater(row["taker_buy_quote_volume"], row["quote_volume"]),
        "quote_volume_unit": _is_other_unit(row),
        "trade_count": _is_odd_count(row["volume"], row["trade_count"]),
        **{name: row["misfit"] == name for name in ("mixed_units", "time_unit", "snap_conflict")},
        **_broken_time_rules(row, span, server_ms),
    }
    return [rule for rule, broken in checks.items() if broken]


def name_refusals(
    rows: list[Row], span: Span, server_ms: int, absent: tuple[str, ...] = ()
) -> list[str | None]:
    """Return each landed row's refusal by name, None where it is accepted."""
    rows = align(rows, span, server_ms, absent)
    names: list[str | None] = [
        next(iter(broken_rules(row, span, server_ms, absent)), None) for row in rows
    ]
    kept: dict[int, Row] = {}
    for place in reversed(range(len(rows))):
        if names[place] is not None:
            continue
        later = kept.setdefault(rows[place]["open_time"], rows[place])
        if later is not rows[place]:
            equal = all(rows[place][name] == later[name] for name in VALUE_COLUMNS)
            names[place] = "duplicate_row" if equal else "duplicate_key"
    return names


def _is_unknown(row: Row, absent: tuple[str, ...]) -> bool:
    due = [row[name] for name in ("open_time", "close_time", *VALUE_COLUMNS) if name not in absent]
    return any(value is None or not math.isfinite(value) for value in due)


def _outside(value: float | None, low: float, high: float) -> bool:
    return value is not None and not low <= value <= high


def _greater(left: float | None, right: float | None) -> bool:
    return left is not None and right is not None and left > right


def _is_disordered(row: Row) -> bool:
    return any(
        _greater(row["low"], row[name]) or _greater(row[name], row["high"])
        for name in ("open", "close")
    )


def _is_other_unit(row: Row) -> bool:
    quote, volume, count = row["quote_volume"], row["volume"], row["trade_count"]
    if None in (quote, volume, count):
        return False
    low, high = row["low"], row["high"]
    slack = count * 1e-8
    too_little = low is not None and quote < low * volume * (1 - 1e-4) - slack
    return too_little or (high is not None and quote > high * volume * (1 + 1e-4) + slack)


def _is_odd_count(volume: float | None, count: float | None) -> bool:
    if volume is None or count is None:
        return False
    whole = 0 <= count <= 10**12 and float(count).is_integer()
    return not whole or (volume == 0) != (count == 0)


def _broken_time_rules(row: Row, span: Span, server_ms: int) -> dict[str, bool]:
    opens, closes = row["open_time"], row["end"]
    return {
        "off_grid": opens is not None and opens % MINUTE_MS != 0,
        "truncated_candle": opens is not None
        and closes is not None
        and row["flags"] == 0
        and closes != opens + MINUTE_MS - 1,
        "outside_span": opens is not None and not span.start_ms <= opens < span.end_ms,
        "in_future": opens is not None and opens > server_ms + MINUTE_MS,
        "unfinished": closes is not None and closes >= server_ms,
    }
