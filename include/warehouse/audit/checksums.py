"""Closed months: what their rows added up to, and whether they still do.

A month of a series is closed once it is over and nothing has changed for a while. What is compared
later are the rows recorded up to that instant, the replaced ones taken from
``market.candle_revision``; so a legitimate revision never shows, and every other row keeps being
held against its old sum. After a revision the month is closed anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import xor
from typing import Final

from psycopg import sql

from include.warehouse.audit.checks import CHECKSUM
from include.warehouse.audit.finding import Finding
from include.warehouse.audit.leaf import Leaf
from include.warehouse.audit.repair import repair_text
from include.warehouse.engine import Connection
from include.warehouse.merge import lock_series
from include.warehouse.statements import fetch_value, statement

_HOUR: Final = timedelta(hours=1)
# Kept apart in candle_revision, or named otherwise there.
_RECORDED_AT: Final = "recorded_at"


@dataclass(frozen=True, slots=True)
class MonthSum:
    """What one month of one series adds up to, per hour; None for an hour without rows."""

    rows: int
    hours: tuple[int | None, ...]

    @property
    def checksum(self) -> int:
        """Return the hours combined."""
        return reduce(xor, (part for part in self.hours if part is not None), 0)


@dataclass(frozen=True, slots=True)
class ClosedMonth:
    """A month as it was when it was closed."""

    total: MonthSum
    algorithm: str
    closed_at: datetime


def closed_months(connection: Connection, leaf: Leaf) -> dict[int, ClosedMonth]:
    """Return the closed series of the month ``leaf``, by instrument."""
    rows = connection.execute(statement("audit/list_checksums"), {"dataset": leaf.dataset})
    month = _month_of(leaf)
    return {
        instrument_id: ClosedMonth(MonthSum(count, tuple(hours)), algorithm, closed_at)
        for instrument_id, first_day, count, _, hours, algorithm, closed_at in rows
        if first_day == month.date()
    }


def sum_month(
    connection: Connection, leaf: Leaf, instants: Mapping[int, datetime]
) -> dict[int, MonthSum]:
    """Return what each series adds up to, from the rows recorded up to its instant."""
    columns = _columns(connection, leaf)
    query = statement("audit/sum_month").format(
        table=leaf.table,
        columns=_listed(columns),
        replaced_columns=sql.SQL(", ").join(
            sql.SQL("lower(stored.recorded_during)")
            if name == _RECORDED_AT
            else sql.Identifier("stored", name)
            for name in columns
        ),
    )
    rows = connection.execute(
        query,
        {
            "instrument_ids": list(instants),
            "instants": list(instants.values()),
            "timeframe": leaf.timeframe.label if leaf.timeframe else "",
            "from_time": leaf.from_time,
            "to_time": leaf.to_time,
        },
    ).fetchall()
    hours = {instrument_id: [None] * _hours_of(leaf) for instrument_id in instants}
    counts = dict.fromkeys(instants, 0)
    for instrument_id, hour, part, count in rows:
        hours[instrument_id][hour] = part
        counts[instrument_id] += count
    return {key: MonthSum(counts[key], tuple(parts)) for key, parts in hours.items()}


def compare_month(connection: Connection, leaf: Leaf) -> Iterator[Finding]:
    """Yield a finding for each run of hours that no longer adds up to what it did."""
    algorithm = algorithm_of(connection, leaf)
    closed = {
        key: month
        for key, month in closed_months(connection, leaf).items()
        if month.algorithm == algorithm
    }
    if not closed:
        return
    now = sum_month(connection, leaf, {key: month.closed_at for key, month in closed.items()})
    for instrument_id, month in closed.items():
        yield from _differences(leaf, instrument_id, month, now[instrument_id])


def close_month(
    connection: Connection, leaf: Leaf, instrument_ids: Collection[int], *, checked_xid: str
) -> int:
    """Store what these series add up to now, with their writers kept out; return how many.

    A series that a transaction from ``checked_xid`` on has changed is left out: nobody has checked
    what that wrote. Runs in a transaction of its own.
    """
    with connection.transaction():
        lock_series(connection, leaf.dataset, sorted(instrument_ids))
        # Whoever stored rows before now has committed, and whoever comes later is recorded later.
        values = {"dataset": leaf.dataset, "xid": checked_xid}
        unchecked = {key for (key,) in connection.execute(statement("audit/changed_since"), values)}
        closed_at = server_now(connection)
        instants = {key: closed_at for key in instrument_ids if key not in unchecked}
        totals = sum_month(connection, leaf, instants)
        for instrument_id, total in totals.items():
            connection.execute(
                statement("audit/close_month"),
                {
                    "dataset": leaf.dataset,
                    "instrument_id": instrument_id,
                    "month": _month_of(leaf).date(),
                    "rows": total.rows,
                    "checksum": total.checksum,
                    "hour_checksums": list(total.hours),
                    "algorithm": algorithm_of(connection, leaf),
                    "closed_at": closed_at,
                },
            )
    return len(totals)


def server_now(connection: Connection) -> datetime:
    """Return the server's clock, which is what rows are recorded by."""
    now = fetch_value(connection, sql.SQL("SELECT clock_timestamp()"), {})
    if not isinstance(now, datetime):
        raise LookupError(f"expected an instant, was {now!r}")
    return now


def algorithm_of(connection: Connection, leaf: Leaf) -> str:
    """Name what makes the sums: the function, the server's major version, the columns."""
    number = fetch_value(connection, sql.SQL("SHOW server_version_num"), {})
    columns = ",".join(_columns(connection, leaf))
    return f"bit_xor(hash_record_extended) {int(number) // 10000} ({columns})"


def _differences(
    leaf: Leaf, instrument_id: int, month: ClosedMonth, now: MonthSum
) -> Iterator[Finding]:
    wrong = [
        hour
        for hour, (then, today) in enumerate(zip(month.total.hours, now.hours, strict=True))
        if then != today
    ]
    for first, last in _runs(wrong):
        start = _month_of(leaf) + first * _HOUR
        end = _month_of(leaf) + (last + 1) * _HOUR
        yield Finding(
            check=CHECKSUM.name,
            relation=leaf.relation,
            instrument_id=instrument_id,
            span_start=start,
            span_end=end,
            detail=f"rows are not what they were when the month was closed at "
            f"{month.closed_at:%Y-%m-%d %H:%M}Z ({month.total.rows} rows then, {now.rows} now)",
            repair=repair_text(CHECKSUM, leaf, instrument_id, start, end),
        )


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and last of each unbroken run of ascending ``numbers``."""
    first = last = None
    for number in numbers:
        if first is None or last is None:
            first = last = number
        elif number == last + 1:
            last = number
        else:
            yield first, last
            first = last = number
    if first is not None and last is not None:
        yield first, last


def _columns(connection: Connection, leaf: Leaf) -> list[str]:
    query = sql.SQL("SELECT * FROM {} LIMIT 0").format(sql.Identifier(leaf.schema, leaf.dataset))
    described = connection.execute(query).description
    return [column.name for column in described or ()]


def _listed(columns: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier("stored", name) for name in columns)


def _month_of(leaf: Leaf) -> datetime:
    if leaf.from_time is None:
        raise ValueError(f"expected a month, was {leaf.relation}")
    return leaf.from_time


def _hours_of(leaf: Leaf) -> int:
    if leaf.from_time is None or leaf.to_time is None:
        raise ValueError(f"expected a month, was {leaf.relation}")
    return (leaf.to_time - leaf.from_time) // _HOUR
