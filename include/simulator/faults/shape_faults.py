"""Faults of shape: fields more, fewer, renamed, of another type or in another order."""

from __future__ import annotations

import json
from typing import Any

from include.simulator.faults.book import Firing
from include.simulator.faults.page import Key, Page, bare, inner_text, number_of
from include.simulator.faults.value_faults import Change, chosen_rows

_WRONG = {"true": "true", "list": "[1]", "null": "null", "object": '{"v":1}', "word": '"many"'}


def add_field(page: Page, firing: Firing) -> bool:
    """Add a field to every row: at the end of arrays, by its name to objects."""
    for row in page.rows:
        if isinstance(row, list):
            row.append(firing["value"])
        else:
            row[firing["name"]] = firing["value"]
    return bool(page.rows)


def remove_field(page: Page, firing: Firing) -> bool:
    """Take a field out of every row."""
    removed = [_take(page, row, firing["field"]) for row in page.rows]
    return any(place is not None for place in removed)


def _take(page: Page, row: Any, name: Key) -> Key | None:
    place = _agreed(page, row, name)
    if place is not None:
        del row[place]
    return place


def _agreed(page: Page, row: Any, name: Key) -> Key | None:
    """Return where a field stands; "" finds one that clients need, by the kind of row."""
    if name == "" and isinstance(row, dict) and "status" in row:
        return "status"
    return page.locate(row, name)


def rename_field(page: Page, firing: Firing) -> bool:
    """Call a field of every object by another name, at its old place."""
    renamed = False
    for row in page.rows:
        place = _agreed(page, row, firing["field"]) if isinstance(row, dict) else None
        if place is not None:
            pairs = [(firing["to"] if key == place else key, row[key]) for key in row]
            row.clear()
            row.update(pairs)
            renamed = True
    return renamed


def _cells(page: Page) -> list[tuple[Any, Key]]:
    """Return all cells of the rows as (row, place)."""
    return [
        (row, place)
        for row in page.rows
        for place in (range(len(row)) if isinstance(row, list) else list(row))
    ]


def unquote_numbers(page: Page, _: Firing) -> bool:
    """Write numbers without their quotes."""
    texts = [
        (row, place)
        for row, place in _cells(page)
        if isinstance(row[place], str) and number_of(row[place]) is not None
    ]
    if page.member is not None:
        return False
    for row, place in texts:
        row[place] = bare(inner_text(row[place]).strip('"'))
    return bool(texts)


def quote_numbers(page: Page, _: Firing) -> bool:
    """Write numbers within quotes."""
    numbers = [
        (row, place)
        for row, place in _cells(page)
        if isinstance(row[place], (int, float)) and not isinstance(row[place], bool)
    ]
    for row, place in numbers:
        row[place] = str(row[place])
    return bool(numbers)


def write_wrong_type(page: Page, firing: Firing) -> bool:
    """Write a value that is no number where one was."""
    rows = [(row, page.locate(row, firing["field"])) for row in chosen_rows(page, firing)]
    for row, place in rows:
        if place is not None:
            row[place] = bare(_WRONG[firing["value"]])
    return any(place is not None for _, place in rows)


def swap_columns(page: Page, firing: Firing) -> bool:
    """Swap two columns of all arrays."""
    first, second = firing["first"], firing["second"]
    rows = [row for row in page.rows if isinstance(row, list) and max(first, second) < len(row)]
    for row in rows:
        row[first], row[second] = row[second], row[first]
    return bool(rows) and first != second


def repeat_key(page: Page, _: Firing) -> bool:
    """Write a key of the first object twice, the second time with another value."""
    row = next((row for row in page.rows if isinstance(row, dict) and row), None)
    if row is None:
        return False
    key = page.locate(row, "") or next(iter(row))
    number = number_of(row[key])
    other = "changed" if number is None else str(number + 1)
    # The value and a second pair after it, as one bare text: no Python object has a key twice.
    row[key] = bare(f"{inner_text(row[key])},{json.dumps(key)}:{json.dumps(other)}")
    return True


SHAPE_FAULTS: dict[str, Change] = {
    "added_field": add_field,
    "removed_field": remove_field,
    "renamed_field": rename_field,
    "number_for_string": unquote_numbers,
    "string_for_number": quote_numbers,
    "wrong_type": write_wrong_type,
    "column_swap": swap_columns,
    "duplicate_key": repeat_key,
}
