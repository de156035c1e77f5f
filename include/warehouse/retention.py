"""What is kept how long: months taken out of their tables, landed files given up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from include.market.errors import InvalidInputError
from include.warehouse.engine import Connection, database_errors
from include.warehouse.statements import fetch_value, statement


@dataclass(frozen=True, slots=True)
class LandedFiles:
    """The files of one landing that is loaded; ``clean_path`` is None when there is none."""

    landing_id: int
    path: str
    clean_path: str | None


def retire_months(connection: Connection, policy: Mapping[str, int], *, at: datetime) -> list[str]:
    """Take every month older than ``policy`` out of its table, into schema ``retired``.

    Args:
        connection: autocommit; each month is a transaction of its own.
        policy: whole months kept per table of schema ``market``, the running one not counted; a
            table not named is kept for ever.
        at: now.

    Returns:
        The tables that hold the months now; dropping them is for a person to decide.

    Raises:
        InvalidInputError: the policy names a table that is not kept by month.
        RetryableError: readers or writers did not let go of the table in time.
    """
    known = [name for (name,) in connection.execute(statement("market/list_partitioned"))]
    unknown = sorted(set(policy) - set(known))
    if unknown:
        raise InvalidInputError(
            f"retention_months names {', '.join(unknown)}: choose from {', '.join(known)}"
        )
    retired: list[str] = []
    for name, months in policy.items():
        table = f"market.{name}"
        over = connection.execute(
            statement("market/list_months_before"),
            {"table": table, "before": months_before(at, months)},
        ).fetchall()
        for (month,) in over:
            with database_errors(f"retiring {month:%Y-%m} of {table}"), connection.transaction():
                kept_as = fetch_value(
                    connection,
                    statement("market/retire_month"),
                    {"table": table, "month": month},
                )
            retired += [kept_as] if kept_as else []
    return retired


def months_before(at: datetime, months: int) -> datetime:
    """Return the first instant of the month ``months`` before the one of ``at``, UTC."""
    now = at.astimezone(UTC)
    number = now.year * 12 + now.month - 1 - months
    return datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)


def remove_landed_files(
    connection: Connection,
    remove: Callable[[LandedFiles], None],
    *,
    older_than: timedelta,
    at: datetime,
    batch: int = 200,
) -> int:
    """Give up the files of landings loaded longer than ``older_than`` ago; return how many.

    Only loaded ones: what waits or is held keeps its files. ``remove`` takes them away and is glad
    of those already gone; what it raises ends the work, and the next run goes on there.
    """
    removed = 0
    while True:
        with connection.transaction():
            rows = connection.execute(
                statement("ledger/removable_landings"),
                {"before": at - older_than, "limit": batch},
            ).fetchall()
            for row in rows:
                remove(LandedFiles(*row))
            connection.execute(
                statement("ledger/mark_files_removed"),
                {"landing_ids": [landing_id for landing_id, _, _ in rows]},
            )
        removed += len(rows)
        if len(rows) < batch:
            return removed
