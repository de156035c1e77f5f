"""Faults of single values: prices, volumes, numbers that are none, and times."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeAlias

from include.simulator.faults.book import Firing
from include.simulator.faults.page import Key, Page, bare, number_of

Change: TypeAlias = Callable[[Page, Firing], bool]

_PRICES = ("open", "high", "low", "close")
_MICROSECONDS_FROM, _SECONDS_BELOW = 10**14, 10**11


def chosen_rows(page: Page, firing: Firing) -> list[Any]:
    """Return the rows that the rule's ``row`` names: a number, "random" or "all"."""
    wanted = firing["row"]
    if wanted == "all" or not page.rows:
        return page.rows
    if wanted == "random":
        return [page.rows[int(firing.generator().integers(len(page.rows)))]]
    is_there = -len(page.rows) <= wanted < len(page.rows)
    return [page.rows[wanted]] if is_there else []


def _literal(text: str) -> Change:
    """Write a bare word, without quotes even where there were some."""

    def change(page: Page, firing: Firing) -> bool:
        places = [(row, page.locate(row, firing["field"])) for row in chosen_rows(page, firing)]
        for row, place in places:
            if place is not None:
                row[place] = bare(text)
        return any(place is not None for _, place in places)

    return change


def _text(text: str) -> Change:
    """Write a number's text as numbers stand in that cell."""

    def change(page: Page, firing: Firing) -> bool:
        written = [page.put(row, firing["field"], text) for row in chosen_rows(page, firing)]
        return any(written)

    return change


def write_huge_integer(page: Page, firing: Firing) -> bool:
    """Write an integer of many digits."""
    return _literal("9" * firing["digits"])(page, firing)


def _prices(page: Page) -> tuple[str, ...]:
    return _PRICES if page.shape == "candle" else ("price",)


def _scale(names: Callable[[Page], tuple[str, ...]], factor: Callable[[Firing], Decimal]) -> Change:
    """Multiply numbers, keeping their decimals."""

    def change(page: Page, firing: Firing) -> bool:
        written = [
            _write(page, row, name, number * factor(firing))
            for row in chosen_rows(page, firing)
            for name in names(page)
            if (number := page.number(row, name)) is not None
        ]
        return any(written)

    return change


def _write(page: Page, row: Any, name: Key, number: Decimal) -> bool:
    old = page.number(row, name)
    places = 0 if old is None else max(0, -int(old.as_tuple().exponent))
    return page.put(row, name, f"{number:.{places}f}")


def negate_volume(page: Page, firing: Firing) -> bool:
    """Make volumes negative; an empty candle gets -1."""
    written = [
        _write(page, row, "volume", -number or Decimal(-1))
        for row in chosen_rows(page, firing)
        if (number := page.number(row, "volume")) is not None
    ]
    return any(written)


def cross_high_and_low(page: Page, firing: Firing) -> bool:
    """Tell a high that is below the low."""

    def cross(row: Any) -> bool:
        high, low = page.number(row, "high"), page.number(row, "low")
        if page.shape != "candle" or high is None or low is None:
            return False
        _write(page, row, "high", low * Decimal("0.999") if high == low else low)
        return _write(page, row, "low", high)

    crossed = [cross(row) for row in chosen_rows(page, firing)]
    return any(crossed)


def close_outside(page: Page, firing: Firing) -> bool:
    """Tell a close above the high."""

    def leave(row: Any) -> bool:
        high = page.number(row, "high")
        if page.shape != "candle" or high is None:
            return False
        return _write(page, row, "close", high * Decimal("1.01"))

    left = [leave(row) for row in chosen_rows(page, firing)]
    return any(left)


def _clock(sign: int) -> Change:
    """Move the server time that an object tells."""

    def change(page: Page, firing: Firing) -> bool:
        is_told = isinstance(page.document, dict) and number_of(page.document.get("serverTime"))
        if is_told:
            page.document["serverTime"] += sign * int(firing["seconds"] * 1000)
        return bool(is_told)

    return change


def _rewrite_times(page: Page, rows: list[Any], change: Callable[[Decimal], str | None]) -> bool:
    """Write all times anew; None leaves a time as it is."""
    written = [
        page.put(row, place, text)
        for row in rows
        for place in page.times(row)
        if (number := page.number(row, place)) is not None and (text := change(number)) is not None
    ]
    return any(written)


def tell_microseconds(page: Page, _: Firing) -> bool:
    """Write times in microseconds where they are not."""
    return _rewrite_times(
        page,
        page.objects(),
        lambda time: None if time >= _MICROSECONDS_FROM else f"{time * 1000:f}",
    )


def tell_seconds(page: Page, _: Firing) -> bool:
    """Write times in whole seconds."""

    def shorten(time: Decimal) -> str | None:
        unit = 10**6 if time >= _MICROSECONDS_FROM else 1000
        return None if time < _SECONDS_BELOW else str(int(time) // unit)

    return _rewrite_times(page, page.objects(), shorten)


def _shift(page: Page, rows: list[Any], shift_ms: int) -> bool:
    def move(time: Decimal) -> str:
        return f"{time + shift_ms * (1000 if time >= _MICROSECONDS_FROM else 1):f}"

    return _rewrite_times(page, rows, move)


def shift_hours(page: Page, firing: Firing) -> bool:
    """Move the times of all rows, as a clock in another zone tells them."""
    return _shift(page, page.rows, int(firing["hours"] * 3_600_000))


def fall_back(page: Page, _: Firing) -> bool:
    """Move the later half of the rows back by an hour, as a wall clock in autumn."""
    return len(page.rows) > 1 and _shift(page, page.rows[len(page.rows) // 2 :], -3_600_000)


def add_leap_second(page: Page, _: Firing) -> bool:
    """Tell the later half of the rows one second late."""
    return len(page.rows) > 1 and _shift(page, page.rows[len(page.rows) // 2 :], 1_000)


def tell_iso_times(page: Page, _: Firing) -> bool:
    """Write times as texts without a zone."""
    is_changed = False
    for row in page.rows:
        for place in page.times(row):
            number = page.number(row, place)
            if number is not None:
                unit = 10**6 if number >= _MICROSECONDS_FROM else 1000
                instant = dt.datetime.fromtimestamp(int(number) // unit, dt.UTC)
                row[place] = f"{instant:%Y-%m-%d %H:%M:%S}"
                is_changed = True
    return is_changed


VALUE_FAULTS: dict[str, Change] = {
    "json_nan": _literal("NaN"),
    "json_infinity": _literal("Infinity"),
    "json_overflow": _literal("1e999"),
    "huge_integer": write_huge_integer,
    "absurd_price": _scale(_prices, lambda firing: Decimal(str(firing["factor"]))),
    "negative_price": _scale(_prices, lambda _: Decimal(-1)),
    "zero_price": _scale(_prices, lambda _: Decimal(0)),
    "negative_volume": negate_volume,
    "high_below_low": cross_high_and_low,
    "close_outside": close_outside,
    "huge_number": _text("1" + "0" * 30),
    "tiny_number": _text("1e-400"),
    "nan_text": _text("NaN"),
    "clock_ahead": _clock(1),
    "clock_behind": _clock(-1),
    "microseconds": tell_microseconds,
    "seconds": tell_seconds,
    "hour_shift": shift_hours,
    "dst_fall_back": fall_back,
    "leap_second": add_leap_second,
    "iso_times": tell_iso_times,
}
