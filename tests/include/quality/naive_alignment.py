"""The alignment once more, one plain row at a time: what the vectorised one is held against."""

from __future__ import annotations

from typing import Any

from include.market.candle import SNAPPED, TRUNCATED
from include.market.span import Span
from tests.include.quality.landed_frames import MINUTE_MS

Row = dict[str, Any]


def align(rows: list[Row], span: Span, server_ms: int, absent: tuple[str, ...] = ()) -> list[Row]:
    """Return the rows with ``open_time`` where it belongs, ``end``, ``flags`` and ``misfit``."""
    made = [
        row | {"end": _end(row, absent), "flags": 0, "misfit": None, "sent": row["open_time"]}
        for row in rows
    ]
    _find_units(made, span)
    wanted: dict[int, set[int]] = {}
    taken = set()
    for row in made:
        sent = row["sent"]
        if sent is None:
            continue
        if _is_beside(row):
            if (target := _target(row, absent)) is not None:
                wanted.setdefault(target, set()).add(sent)
        else:
            taken.add(sent)
    for row in made:
        target = _target(row, absent) if _is_beside(row) else None
        if target is None:
            continue
        if target in taken or len(wanted[target]) > 1:
            row["misfit"] = "snap_conflict"
        else:
            row["open_time"], row["flags"] = target, SNAPPED
    for row in made:
        if _is_cut_off(row, span, server_ms, made):
            row["flags"] = TRUNCATED
    return made


def _end(row: Row, absent: tuple[str, ...]) -> int | None:
    if "close_time" not in absent:
        return row["close_time"]  # type: ignore[no-any-return]
    return None if row["open_time"] is None else row["open_time"] + MINUTE_MS - 1


def _find_units(rows: list[Row], span: Span) -> None:
    def inside(instant: float) -> bool:
        return span.start_ms <= instant < span.end_ms

    others = [
        row
        for row in rows
        if row["sent"] is not None
        and not inside(row["sent"])
        # Whole microseconds are looked at.
        and any(
            inside(row["sent"] * scale) or inside(row["sent"] * 1000 // scale / 1000)
            for scale in (1_000, 1_000_000)
        )
    ]
    mixed = len(others) > 2 and any(row["sent"] is not None and inside(row["sent"]) for row in rows)
    for row in others:
        row["misfit"] = "time_unit"
    if mixed:
        for row in rows:
            row["misfit"] = "mixed_units" if row["sent"] is not None else None


def _is_beside(row: Row) -> bool:
    return row["sent"] is not None and row["misfit"] is None and row["sent"] % MINUTE_MS != 0


def _target(row: Row, absent: tuple[str, ...]) -> int | None:
    """Return where a row beside the grid would be moved to, were there room."""
    sent, end = row["sent"], row["end"]
    past = sent % MINUTE_MS
    if 2 * past == MINUTE_MS:
        return None
    target = sent - past if 2 * past < MINUTE_MS else sent - past + MINUTE_MS
    if "close_time" in absent or end == sent + MINUTE_MS - 1:
        return int(target)
    begins_late = sent > target and end == target + MINUTE_MS - 1
    return int(target) if begins_late else None


def _is_cut_off(row: Row, span: Span, server_ms: int, rows: list[Row]) -> bool:
    sent, end = row["sent"], row["end"]
    if sent is None or end is None or row["misfit"] is not None or sent % MINUTE_MS:
        return False
    following = sent + MINUTE_MS
    for other in rows:
        if any(
            opens is not None and sent < opens < following + MINUTE_MS
            for opens in (other["sent"], other["open_time"])
        ):
            return False
        if other["open_time"] == sent and other["end"] != end:
            return False
    return bool(
        sent < end < following - 1
        and span.start_ms <= sent
        and following < span.end_ms
        and following + MINUTE_MS <= server_ms
    )
