"""One rate budget for every task, process and host that asks a venue under one address.

The count and the clock are the database's. A request costs one short statement, which also hands
over the usage that the venue reported with the answer before.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg import sql
from psycopg.rows import TupleRow

from include.market.errors import InvalidInputError, RetryableError
from include.market.rate_limit import Answer, RateLimit, wait_for_grant
from include.warehouse.engine import Connection, connect, database_errors
from include.warehouse.statements import statement

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Circuit:
    """A ban in force: nothing is asked in ``scope`` from ``egress`` until it is over."""

    scope: str
    egress: str
    since: datetime
    until: datetime
    reason: str


class WarehouseGovernor:
    """Grants requests below the limits of one venue; not to be shared by threads.

    It has a connection of its own, for a grant must be seen by others at once, whatever
    transaction its caller has open.
    """

    def __init__(
        self,
        dsn: str,
        *limits: RateLimit,
        egress: str = "default",
        longest_wait_s: float = 120.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Keep to ``limits``, the one that the usage header speaks of first.

        Hosts that reach the venue under one address must name the same ``egress``.

        Raises:
            InvalidInputError: there is no limit, or two have one scope.
        """
        self._limits = {limit.scope: limit for limit in limits}
        if not limits or len(self._limits) != len(limits):
            raise InvalidInputError(
                f"a governor needs limits of different scopes, was {[x.scope for x in limits]}"
            )
        self._dsn = dsn
        self._main = limits[0].scope
        self._egress = egress
        self._longest_wait_s = longest_wait_s
        self._sleep = sleep
        self._connection: Connection | None = None
        self._granted_in: int | None = None
        self._usage: int | None = None
        self._banned_until = 0.0

    def acquire(self, weight: int, *, scope: str | None = None) -> None:
        """Return when a request of ``weight`` may go; ``scope`` is the first limit unless named.

        Raises:
            RateLimitedError: it would have to wait longer than ``longest_wait_s``.
            BannedError: the venue has banned this address.
            RetryableError: the warehouse does not answer; nothing goes uncounted.
            InvalidInputError: no such limit, or no window can hold ``weight``.
        """
        limit = self._limits.get(scope or self._main)
        if limit is None:
            raise InvalidInputError(f"no limit {scope!r}: expected one of {list(self._limits)}")
        limit.check_weight(weight)
        wait_for_grant(
            lambda: self._ask(limit, weight),
            limit,
            longest_wait_s=self._longest_wait_s,
            sleep=self._sleep,
        )

    def note_usage(self, used: int) -> None:
        """Keep the venue's count of the running window, to hand it over with the next request."""
        self._usage = used

    def note_pause(self, seconds: float) -> None:
        """Let nobody ask this venue for ``seconds``.

        Raises:
            RetryableError: the warehouse does not answer, so the others do not know.
        """
        self._run("ledger/note_pause", self._all_scopes(seconds))

    def note_ban(self, seconds: float, *, reason: str = "") -> bool:
        """Let nobody ask this venue for ``seconds``; True when no ban was in force yet.

        A lost warehouse does not hide the ban: this governor keeps to it by itself, and True is
        returned, for better two alerts than none.
        """
        self._banned_until = time.monotonic() + seconds
        values = self._all_scopes(seconds) | {"reason": reason[:300]}
        try:
            rows = self._run("ledger/note_ban", values)
        except RetryableError as error:
            _LOG.warning("a ban of %s could not be told to others: %s", self._main, error)
            return True
        return any(is_new for scope, is_new in rows if scope == self._main)

    def close(self) -> None:
        """End the session; the next request would open one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, limit: RateLimit, weight: int) -> Answer:
        left_s = self._banned_until - time.monotonic()
        if left_s > 0:
            return Answer("banned", left_s)
        is_main = limit.scope == self._main
        values = {
            "scope": limit.scope,
            "egress": self._egress,
            "weight": weight,
            "allowed": limit.allowed,
            "window_s": limit.window_s,
            "late_s": limit.late_s,
            "venue_used": self._usage if is_main else None,
            "venue_window": self._granted_in if is_main else None,
            "at": None,
        }
        ((ruling, wait_s, in_window),) = self._run("ledger/acquire_weight", values)
        if is_main:
            self._usage = None
            if ruling == "granted":
                self._granted_in = in_window
        return Answer(ruling, wait_s)

    def _all_scopes(self, seconds: float) -> dict[str, Any]:
        return {"scopes": list(self._limits), "egress": self._egress, "seconds": seconds}

    def _run(self, name: str, values: Mapping[str, Any]) -> list[TupleRow]:
        try:
            with database_errors(f"the rate budget of {self._main}"):
                if self._connection is None:
                    self._connection = _open(self._dsn)
                cursor = self._connection.execute(statement(name), values)
                return cursor.fetchall() if cursor.description else []
        except BaseException:
            # What state the session is in, nobody knows: the next statement gets a new one.
            self.close()
            raise


def open_circuits(connection: Connection) -> list[Circuit]:
    """Return every ban in force, by scope."""
    return _circuits(connection, None)


def bans_of(connection: Connection, scope: str) -> list[Circuit]:
    """Return the bans in force for ``scope``, one per address of ours."""
    return _circuits(connection, scope)


def _circuits(connection: Connection, scope: str | None) -> list[Circuit]:
    rows = connection.execute(statement("ledger/open_circuits"), {"scope": scope})
    return [Circuit(*row) for row in rows]


def _open(dsn: str) -> Connection:
    connection = connect(dsn, application="candlewick rate budget", autocommit=True)
    # A crash of the server may forget the last half second of counting, which the venue's own
    # count makes good; waiting for the disk before every request would cost more.
    connection.execute(sql.SQL("SELECT set_config('synchronous_commit', 'off', false)"))
    return connection
