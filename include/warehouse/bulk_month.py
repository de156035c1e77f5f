"""Loads a whole empty month: built beside the table, proven as a whole, attached in a moment.

First transaction: the rows of all landings of the month go into a table nobody reads, frozen by
COPY, under every CHECK of its parent; then its primary key is built, once. Second, short one: the
locks, a look whether all still is as it was, the receipts, ATTACH (which checks the foreign keys
over all rows together), and what the ledger says of it. Until then the rows are nowhere; if it
never comes, they are swept.

Only landings beyond doubt come this way: rows in order, within the span, of one instrument, within
every range. All others are left to ``load_candles``.
"""

from __future__ import annotations

import logging
import random
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import psycopg
from psycopg import errors, sql

from include.market.errors import InvalidInputError
from include.market.span import Span, next_month_ms, to_ms
from include.market.timeframe import TIMEFRAMES, Timeframe, parse_timeframe
from include.warehouse.bulk_plan import month_of
from include.warehouse.bulk_receipts import hold_members, tell_ledger, write_receipts
from include.warehouse.bulk_rows import Member, MonthRows, Place, encode_ahead
from include.warehouse.engine import Connection, begin_own_transaction, database_errors
from include.warehouse.merge import LoadReceipt, dataset_of, lock_series
from include.warehouse.partitions import ensure_partitions
from include.warehouse.series import find_series
from include.warehouse.statements import fetch_value, statement

log = logging.getLogger(__name__)

TRIES: Final = 8
LOCK_TIMEOUT: Final = "10s"
"""How long one try waits for the loads under way to write their receipts."""
_BUSY: Final = (errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure)


@dataclass(frozen=True, slots=True)
class _Month:
    """A month to be built: which one, of what, and the places of its rows in order of the key."""

    timeframe: Timeframe
    start: datetime
    source: str
    places: Sequence[Place]

    @property
    def key(self) -> dict[str, object]:
        """The month as the statements of the nursery name it."""
        return {"table": f"market.{dataset_of(self.timeframe)}", "month": self.start}


@dataclass(frozen=True, slots=True)
class _Nest:
    """The table a month was built in, and what was copied into it."""

    oid: int
    rows: Sequence[MonthRows]


def load_month(
    connection: Connection, members: Sequence[Member], *, run_id: str
) -> dict[int, LoadReceipt]:
    """Load landings of one empty month together; return the receipts by landing_id.

    Commits by itself. A landing without a receipt is as it was and is to be loaded alone: its rows
    need judging, or the month is no longer empty, or the locks were not to be had.

    Args:
        connection: idle, or in a transaction that only read (which is ended).
        members: checked landings of one dataset, each within the same month.
        run_id: the run that loads them.

    Raises:
        StaleFenceError: a newer try took a fence, or a landing holds other content by now.
        InvalidInputError: the landings are of several months or datasets.
        FinalError: the disk of the server is full.
        RetryableError: the database was lost or too busy; nothing was stored.
    """
    timeframe, start = _month_of_all(members)
    span = Span(to_ms(start), next_month_ms(to_ms(start)))
    action = f"load of {dataset_of(timeframe)} {start:%Y-%m} ({len(members)} landings)"
    begin_own_transaction(connection, action)
    with database_errors(action):
        _prepare_database(connection, timeframe, span)
        # The rows name their source by a default, so all are of one: the one with most rows.
        source = _main_source(members)
        own = [member for member in members if member.landing.source == source]
        month = _Month(timeframe, start, source, _find_places(connection, timeframe, own))
        if not month.places:
            return {}
        try:
            nest = _build(connection, month)
            return _attach_patiently(connection, month, nest, run_id) if nest else {}
        except (psycopg.IntegrityError, psycopg.ProgrammingError) as error:
            # A row or two against a rule, or a table that is not what its parent is: the careful
            # way keeps what can be kept, and tells of the rest.
            log.warning("%s: %s; its landings are loaded one by one", action, error)
            return {}
        finally:
            _clear_up(connection)


def _month_of_all(members: Sequence[Member]) -> tuple[Timeframe, datetime]:
    found = {(member.landing.timeframe, month_of(member.landing)) for member in members}
    [(label, start), *others] = found or {("", None)}
    if start is None or others:
        raise InvalidInputError(f"expected landings of one month of one dataset, was {found}")
    return parse_timeframe(label), start


def _main_source(members: Sequence[Member]) -> str:
    rows: Counter[str] = Counter()
    for member in members:
        rows[member.landing.source] += member.landing.rows
    return rows.most_common(1)[0][0]


def _prepare_database(connection: Connection, timeframe: Timeframe, span: Span) -> None:
    with suppress(errors.LockNotAvailable), connection.transaction():
        connection.execute("SET LOCAL lock_timeout = '1s'")
        connection.execute(statement("nursery/sweep"))
    with connection.transaction():
        others = [other for other in TIMEFRAMES.values() if other != timeframe]
        ensure_partitions(connection, others, span)


def _find_places(
    connection: Connection, timeframe: Timeframe, members: Sequence[Member]
) -> list[Place]:
    """Return where each member's rows belong, without those that share a place or have several."""
    with connection.transaction():
        landings = [member.landing for member in members]
        series = find_series(connection, landings)
        is_known = fetch_value(
            connection, statement("market/know_source"), {"source": landings[0].source}
        )
        load_ids = connection.execute(
            statement("nursery/reserve_loads"), {"loads": len(members)}
        ).fetchall()
    places = [
        Place(member, timeframe, instrument_id, spans[0], load_id)
        for member, own, (load_id,) in zip(members, series, load_ids, strict=True)
        for instrument_id, spans in own.items()
        if len(own) == len(spans) == 1 and is_known
    ]
    places.sort(key=lambda place: (place.instrument_id, place.span))
    apart: list[Place] = []
    for place in places:
        last = apart[-1] if apart else None
        if (
            last is None
            or last.instrument_id != place.instrument_id
            or last.span.end_ms <= place.span.start_ms
        ):
            apart.append(place)
    return apart


def _build(connection: Connection, month: _Month) -> _Nest | None:
    """Copy the rows of the month into a table of its own and build its key."""
    rows: list[MonthRows] = []
    with connection.transaction():
        row = connection.execute(
            statement("nursery/begin_month"), month.key | {"source": month.source}
        ).fetchone()
        oid, name = row or (0, "")
        for encoded in encode_ahead(month.places):
            copy = statement("nursery/copy_rows").format(
                nest=sql.Identifier("nursery", name),
                columns=sql.SQL(", ").join(map(sql.Identifier, encoded.names)),
            )
            with connection.cursor() as cursor, cursor.copy(copy) as target:
                target.write(encoded.payload)
            rows.append(encoded.without_payload())
        if not rows:
            raise psycopg.Rollback
        connection.execute(statement("nursery/finish_month"), {"nest": oid})
    return _Nest(oid, rows) if rows else None


def _attach_patiently(
    connection: Connection, month: _Month, nest: _Nest, run_id: str
) -> dict[int, LoadReceipt]:
    for attempt in range(TRIES):
        with suppress(*_BUSY):
            return _attach(connection, month, nest, run_id)
        # Others write reference data or make partitions: seconds at most.
        time.sleep(random.uniform(0.5, 1) * min(2.0, 0.05 * 2**attempt))
    log.warning("%s %s: the locks were not to be had", month.timeframe.label, month.start)
    return {}


def _attach(
    connection: Connection, month: _Month, nest: _Nest, run_id: str
) -> dict[int, LoadReceipt]:
    with connection.transaction():
        connection.execute("SELECT set_config('lock_timeout', %s, true)", (LOCK_TIMEOUT,))
        hold_members(connection, [rows.place.member for rows in nest.rows])
        owners = sorted({rows.place.instrument_id for rows in nest.rows})
        lock_series(connection, dataset_of(month.timeframe), owners)
        is_free = fetch_value(connection, statement("nursery/claim_month"), month.key)
        if not is_free or not _mean_the_same(connection, nest):
            raise psycopg.Rollback
        recorded_at = fetch_value(connection, sql.SQL("SELECT clock_timestamp()"), {})
        write_receipts(connection, nest.rows, run_id=run_id, recorded_at=recorded_at)
        connection.execute(
            statement("nursery/attach_month"),
            month.key | {"nest": nest.oid, "recorded_at": recorded_at},
        )
        return tell_ledger(connection, nest.rows)
    return {}


def _mean_the_same(connection: Connection, nest: _Nest) -> bool:
    """Tell whether every symbol still means the instrument its rows were given to."""
    landings = [rows.place.member.landing for rows in nest.rows]
    return find_series(connection, landings) == [
        {rows.place.instrument_id: [rows.place.span]} for rows in nest.rows
    ]


def _clear_up(connection: Connection) -> None:
    """Drop what was built and not attached, and let go of it; a lost session leaves it swept."""
    with suppress(psycopg.OperationalError):
        with connection.transaction():
            connection.execute(statement("nursery/release_months"))
        with suppress(errors.LockNotAvailable), connection.transaction():
            connection.execute("SET LOCAL lock_timeout = '1s'")
            connection.execute(statement("nursery/sweep"))
