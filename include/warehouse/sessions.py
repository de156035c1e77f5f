"""Trading sessions of venues: UTC days where trading never stops, else a calendar with hours.

Nothing here commits: the caller's transaction does.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import pandas as pd

from include.market.errors import InvalidInputError
from include.market.span import Span, to_ms
from include.market.timeframe import DAY_MS
from include.warehouse.engine import Connection, database_errors
from include.warehouse.statements import statement

ALWAYS: Final = "24/7"
# A session may begin on the evening before the day it is named after.
_MARGIN: Final = timedelta(days=5)


def calendar_sessions(calendar: str, span: Span) -> list[Span]:
    """Return the sessions of ``calendar`` that meet ``span``, sorted; each is half-open.

    ``24/7`` has one per UTC day; other names are those of ``exchange_calendars``, e.g. ``XNYS``. A
    day with a break in it is two sessions.

    Raises:
        InvalidInputError: no such calendar, or it does not reach that far.
    """
    if calendar == ALWAYS:
        first_ms = span.start_ms - span.start_ms % DAY_MS
        days = range(first_ms, span.end_ms, DAY_MS) if span else ()
        return [Span(start_ms, start_ms + DAY_MS) for start_ms in days]
    parts = _parts_of_days(_schedule(calendar, span)) if span else iter(())
    return [part for part in parts if part.end_ms > span.start_ms and part.start_ms < span.end_ms]


def record_sessions(connection: Connection, venue: str, span: Span) -> int:
    """Bring the sessions that meet ``span`` (half-open) to the venue's calendar; count new ones.

    What the calendar no longer states is dropped and what ends otherwise is mended, unless a return
    was computed over it: calendars change their future.

    Raises:
        InvalidInputError: the venue or its calendar is unknown.
    """
    with database_errors(f"sessions of {venue}"):
        row = connection.execute(statement("market/lock_venue"), {"name": venue}).fetchone()
        if row is None:
            raise InvalidInputError(f"venue {venue} is unknown: sync its reference first")
        venue_id, calendar = row
        sessions = calendar_sessions(calendar, span)
        values = {
            "venue_id": venue_id,
            "span_start": span.start_time,
            "span_end": span.end_time,
            "opens_at": [session.start_time for session in sessions],
            "closes_at": [session.end_time for session in sessions],
        }
        connection.execute(statement("market/drop_sessions"), values)
        connection.execute(statement("market/mend_sessions"), values)
        return connection.execute(statement("market/record_sessions"), values).rowcount


def _schedule(calendar: str, span: Span) -> Any:
    # Imported here: it takes seconds, and only venues with hours need it.
    from exchange_calendars import errors, get_calendar

    with warnings.catch_warnings():
        # exchange_calendars 4.13 reads times in a way that pandas 3.1 deprecates.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return get_calendar(
                calendar,
                start=(span.start_time - _MARGIN).date().isoformat(),
                end=(span.end_time + _MARGIN).date().isoformat(),
            ).schedule
        except errors.InvalidCalendarName:
            raise InvalidInputError(
                f"no trading calendar is called {calendar!r}: choose 24/7 or one that "
                "exchange_calendars knows, e.g. XNYS"
            ) from None
        except errors.NoSessionsError:
            return None
        except ValueError as error:
            raise InvalidInputError(f"calendar {calendar} cannot tell of {span}: {error}") from None


def _parts_of_days(schedule: Any) -> Iterator[Span]:
    if schedule is None:
        return
    for day in schedule.itertuples(index=False):
        opens, pauses, resumes, closes = day.open, day.break_start, day.break_end, day.close
        if pd.isna(pauses):
            yield Span(to_ms(opens), to_ms(closes))
        else:
            yield Span(to_ms(opens), to_ms(pauses))
            yield Span(to_ms(resumes), to_ms(closes))
