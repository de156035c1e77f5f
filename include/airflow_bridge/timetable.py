"""The timetable of history: one run per month of whatever range a person asks for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pendulum
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction, Timetable

from include.market.errors import InvalidInputError
from include.market.span import Span, to_ms

DAY = timedelta(days=1)


def split_at_month_ends(first_day: datetime, last_day: datetime) -> list[tuple[datetime, datetime]]:
    """Cut the UTC days from ``first_day`` to ``last_day``, both inclusive, into half-open spans."""
    spans: list[tuple[datetime, datetime]] = []
    start, end = first_day, last_day + DAY
    while start < end:
        next_month = (start.replace(day=1) + 32 * DAY).replace(day=1)
        spans.append((start, min(next_month, end)))
        start = spans[-1][1]
    return spans


class HistoryTimetable(Timetable):
    """Runs only when asked: a backfill of A..B becomes one run per month, clipped to A..B.

    A cron-partitioned timetable cannot serve here: months would ignore a range that holds no first
    of a month, days would cost a year thousands of tasks, and events of partitioned runs do not
    wake consumers that are not partitioned themselves.
    """

    description = "history on request, one run per month"
    periodic = True
    can_be_scheduled = True

    @property
    def summary(self) -> str:
        """Say in the UI when this runs."""
        return "on request"

    def serialize(self) -> dict[str, Any]:
        """Return no state: there is none."""
        return {}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> Timetable:
        """Rebuild from :meth:`serialize`."""
        return cls()

    def infer_manual_data_interval(self, *, run_after: pendulum.DateTime) -> DataInterval:
        """Give a run started by hand an empty interval; its params say the range."""
        return DataInterval.exact(run_after)

    def next_dagrun_info(
        self,
        *,
        last_automated_data_interval: DataInterval | None,
        restriction: TimeRestriction,
    ) -> DagRunInfo | None:
        """Yield the months of a backfill one by one; schedule nothing by itself."""
        if not restriction.catchup or restriction.earliest is None or restriction.latest is None:
            return None
        # A day is history once it is over; Airflow drops a run whose interval ends in the future.
        last_day = min(_day_of(restriction.latest), _day_of(datetime.now(UTC)) - DAY)
        spans = split_at_month_ends(_day_of(restriction.earliest), last_day)
        done_until = last_automated_data_interval and last_automated_data_interval.end
        for start, end in spans:
            if done_until is None or start >= done_until:
                return _run_info(start, end)
        return None


def _run_info(start: datetime, end: datetime) -> DagRunInfo:
    # Airflow knows a run by its logical date, and names it by its run_after. Ranges that share a
    # day at either end are different pieces of work, so the number of days rides in the
    # microseconds of both: alike only for equal ranges.
    stamp = timedelta(microseconds=(end - start).days)
    return DagRunInfo(
        run_after=pendulum.instance(end + stamp),
        data_interval=DataInterval(pendulum.instance(start + stamp), pendulum.instance(end)),
    )


def _day_of(instant: datetime) -> datetime:
    midnight = instant.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return datetime(midnight.year, midnight.month, midnight.day, tzinfo=UTC)


def run_span(dag_run: Any, params: Mapping[str, Any]) -> Span:
    """Return the days a run of ``backfill_history`` is to load: its params', else its interval's.

    Raises:
        InvalidInputError: only one date given, a date that is none, or dates in the wrong order.
    """
    first, last = params.get("from_date"), params.get("to_date")
    if first or last:
        return Span(to_ms(_param_day("from_date", first)), to_ms(_param_day("to_date", last) + DAY))
    start, end = _day_of(dag_run.data_interval_start), _day_of(dag_run.data_interval_end)
    if start == end:
        raise InvalidInputError("backfill_history was started without from_date and to_date")
    return Span(to_ms(start), to_ms(end))


def _param_day(name: str, value: Any) -> datetime:
    try:
        return datetime.strptime(str(value), "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise InvalidInputError(f"{name} must be a date like 2026-10-01, was {value!r}") from None
