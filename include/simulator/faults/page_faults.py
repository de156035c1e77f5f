"""Faults of whole pages: rows that are missing, repeated, out of order or out of range.

Every function changes the page in place and tells whether it found something to change.
"""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

from include.simulator.faults.book import Firing
from include.simulator.faults.page import Page
from include.simulator.interval import INTERVALS


def cut_rows(page: Page, firing: Firing) -> bool:
    """Keep the first rows only."""
    kept = int(len(page.rows) * firing["keep"])
    if kept == len(page.rows):
        return False
    del page.rows[kept:]
    return True


def drop_rows(page: Page, firing: Firing) -> bool:
    """Leave rows out of the middle; the first and the last stay."""
    count = min(firing["rows"], len(page.rows) - 2)
    if count < 1:
        return False
    start = int(firing.generator().integers(1, len(page.rows) - count))
    del page.rows[start : start + count]
    return True


def double_page(page: Page, _: Firing) -> bool:
    """Tell all rows twice."""
    page.rows += copy.deepcopy(page.rows)
    return bool(page.rows)


def overlap_page(page: Page, firing: Firing) -> bool:
    """Begin with the last rows of the page before, if the series had one."""
    series, page_rows = page.asked.series, copy.deepcopy(page.rows)
    before = firing.entry.memory.get(series, [])
    if page_rows:
        firing.entry.remember(series, page_rows[-firing["rows"] :])
    if not before or not page_rows or before[-1] in page_rows:
        return False
    page.rows[:0] = copy.deepcopy(before)
    return True


def shuffle_rows(page: Page, firing: Firing) -> bool:
    """Put rows out of order; one row and equal rows have none."""
    before = list(page.rows)
    if firing["order"] == "reversed":
        page.rows.reverse()
    else:
        order = firing.generator().permutation(len(before)).tolist()
        page.rows[:] = [before[index] for index in order]
        if page.rows == before:
            page.rows[:] = before[1:] + before[:1]
    return page.rows != before


def add_rows_outside(page: Page, firing: Firing) -> bool:
    """Add copies of rows whose times lie before and after those of the page."""
    times = [page.number(row, "time") for row in page.rows]
    if not page.rows or None in times:
        return False
    known = [time for time in times if time is not None]
    step = max(known[-1] - known[0], Decimal(1)) // max(len(known) - 1, 1)
    step = _step(page) or step or Decimal(60_000)
    count = firing["rows"]
    reach = _reach(page, known, step)
    before = [_moved(page, page.rows[0], reach[0] - step * (n + 1)) for n in range(count)][::-1]
    after = [_moved(page, page.rows[-1], reach[1] + step * (n + 1)) for n in range(count)]
    if firing["side"] != "after":
        page.rows[:0] = before
    if firing["side"] != "before":
        page.rows += after
    return True


def _reach(page: Page, times: list[Decimal], step: Decimal) -> tuple[Decimal, Decimal]:
    """Return first and last instant of rows that were asked for, in the unit of the rows."""
    first, last = times[0], times[-1]
    asked = page.asked.span_ms
    if asked is not None:
        unit = 1000 if first > 10**14 else 1
        if last - asked.start_ms * unit < step * 10**6:
            first = min(first, Decimal(asked.start_ms * unit))
        if asked.end_ms * unit - first < step * 10**6:
            last = max(last, Decimal(asked.end_ms * unit))
    return first - first % step + times[0] % step, last - last % step + times[0] % step


def empty_page(page: Page, _: Firing) -> bool:
    """Tell no rows at all; a plain object has none to leave out."""
    if not page.rows or page.is_plain:
        return False
    page.rows.clear()
    return True


def add_open_candle(page: Page, firing: Firing) -> bool:
    """Add the candle that is open now, where the page ends with the last finished one."""
    step = _step(page)
    opened = page.number(page.rows[-1], "time") if page.rows else None
    if page.shape != "candle" or step is None or opened is None:
        return False
    if not opened + step <= page.now_ms < opened + 2 * step:
        return False
    row = _moved(page, page.rows[-1], opened + step)
    _make_partial(page, row)
    told = {
        "future": opened + 2 * step - 1,
        "now": Decimal(page.now_ms),
        "past": Decimal(min(page.now_ms, int(opened + step)) - 1),
    }
    page.put(row, "close_time", str(told[firing["close_time"]]))
    page.rows.append(row)
    return True


def stale_last_candle(page: Page, _: Firing) -> bool:
    """Tell the newest finished candle as it was before its end."""
    step = _step(page)
    if page.shape != "candle" or step is None:
        return False
    for row in page.rows[-2:]:
        opened = page.number(row, "time")
        if opened is not None and opened + step <= page.now_ms < opened + 2 * step:
            before = list(row)
            _make_partial(page, row)
            return bool(row != before)
    return False


def _make_partial(page: Page, row: Any) -> None:
    """Halve what a candle counts and close it at its open."""
    for name in ("volume", "quote_volume", 9, 10, "count"):
        number = page.number(row, name)
        if number is not None:
            half = number // 2 if number == number.to_integral() else number / 2
            places = max(0, -int(number.as_tuple().exponent))
            page.put(row, name, f"{half:.{places}f}")
    opened = page.number(row, "open")
    if opened is not None:
        page.put(row, "close", f"{opened:f}")


def _step(page: Page) -> Decimal | None:
    """Return the candle length in the unit of the rows, None where it is not known."""
    interval = INTERVALS.get(page.asked.interval)
    if interval is None or not interval.length_ms or not page.rows:
        return None
    time = page.number(page.rows[0], "time")
    return Decimal(interval.length_ms * (1000 if time and time > 10**14 else 1))


def _moved(page: Page, row: Any, time: Decimal) -> Any:
    """Return a copy of the row at another time."""
    moved = copy.deepcopy(row)
    old = page.number(row, "time") or Decimal(0)
    for place in page.times(row):
        number = page.number(row, place)
        if number is not None:
            page.put(moved, place, f"{number + time - old:f}")
    return moved


PAGE_FAULTS = {
    "cut_valid_json": cut_rows,
    "dropped_rows": drop_rows,
    "duplicate_page": double_page,
    "overlapping_page": overlap_page,
    "shuffled_rows": shuffle_rows,
    "rows_outside": add_rows_outside,
    "empty_page": empty_page,
    "open_candle_as_last": add_open_candle,
    "stale_last_candle": stale_last_candle,
}
