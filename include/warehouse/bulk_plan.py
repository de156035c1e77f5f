"""Which landings are loaded together as a whole month: those of a month nobody has stored yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from include.market.span import next_month_ms
from include.warehouse.engine import Connection
from include.warehouse.landing import Landing
from include.warehouse.statements import statement

FEWEST_ROWS = 20_000
"""Below this, building a table apart costs more than it saves."""


def plan_months(connection: Connection, landings: Sequence[Landing]) -> list[list[Landing]]:
    """Return groups of landings, each of one free month of one dataset, oldest month first.

    A month is free when it has no partition, or one that never held a row. Landings that cross
    the end of a month, and months with few rows, are in no group. Only a guess: the load looks
    again once it holds its locks.
    """
    groups: dict[tuple[str, datetime], list[Landing]] = defaultdict(list)
    for landing in landings:
        month = month_of(landing)
        if month is not None and landing.rows:
            groups[landing.dataset, month].append(landing)
    large = {
        key: group
        for key, group in groups.items()
        if sum(landing.rows for landing in group) >= FEWEST_ROWS
    }
    free = _free_months(connection, large.keys())
    return [large[key] for key in sorted(large, key=lambda key: (key[1], key[0])) if key in free]


def month_of(landing: Landing) -> datetime | None:
    """Return the start of the month that holds the landing's whole span, UTC, or None."""
    month = landing.span.start_time.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return month if landing.span.end_ms <= next_month_ms(landing.span.start_ms) else None


def _free_months(
    connection: Connection, wanted: Iterable[tuple[str, datetime]]
) -> set[tuple[str, datetime]]:
    months: dict[str, list[datetime]] = defaultdict(list)
    for dataset, month in wanted:
        months[dataset].append(month)
    return {
        (dataset, month)
        for dataset, asked in months.items()
        for (month,) in connection.execute(
            statement("nursery/free_months"), {"dataset": dataset, "months": asked}
        )
    }
