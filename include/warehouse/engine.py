"""The one door to PostgreSQL: sessions that cannot hang, and errors of our own tree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from include.market.errors import (
    ContractError,
    FinalError,
    InvalidInputError,
    RetryableError,
    SourceUnavailableError,
)

Connection = psycopg.Connection[TupleRow]

# A network stall is not seen by any server-side timeout, hence the TCP ones (milliseconds and
# seconds as libpq wants them).
_DIAL: Final[dict[str, str]] = {
    "connect_timeout": "10",
    "tcp_user_timeout": "30000",
    "keepalives": "1",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
}
# A batch of some 10,000 rows takes seconds: whoever waits longer than this waits in vain.
_LIMITS: Final[dict[str, str]] = {
    "lock_timeout": "30s",
    "statement_timeout": "300s",
    "idle_in_transaction_session_timeout": "300s",
    "transaction_timeout": "900s",
}
# pg_temp is named last, or a temporary table could stand in for a catalog table.
_FIXED: Final[dict[str, str]] = {"search_path": "pg_catalog,pg_temp", "TimeZone": "UTC"}
_REFUSALS: Final = (
    "authentication failed",
    "no pg_hba.conf entry",
    "no password supplied",
    "does not exist",
    "permission denied",
)
_RETRYABLE: Final = (
    errors.OperationalError,
    errors.DeadlockDetected,
    errors.SerializationFailure,
    errors.LockNotAvailable,
    errors.QueryCanceled,
    errors.IdleInTransactionSessionTimeout,
)


def connect(dsn: str, *, application: str, autocommit: bool = False) -> Connection:
    """Open a session on the warehouse with bounded waits, UTC and a fixed search path.

    Timeouts and TCP settings written into ``dsn`` win over ours; time zone and search path never.

    Raises:
        InvalidInputError: ``dsn`` is not a PostgreSQL address, or the server refuses the login.
        SourceUnavailableError: the server does not answer; the message never holds the password.
    """
    try:
        settings = {key: str(value) for key, value in conninfo_to_dict(dsn).items()}
    except psycopg.ProgrammingError:
        # libpq quotes parts of the address, and with it the password.
        raise InvalidInputError(
            "the warehouse address is not a PostgreSQL URI: expected "
            "postgresql://user:password@host:port/database"
        ) from None
    if not settings.get("port", "5432").replace(",", "").isdecimal():
        raise InvalidInputError("the warehouse address has a port that is not a number: mend it")
    options = _as_options(_LIMITS), settings.pop("options", ""), _as_options(_FIXED)
    settings = _DIAL | settings | {"application_name": application, "options": " ".join(options)}
    try:
        connection = psycopg.connect("", autocommit=autocommit, **settings)  # type: ignore[arg-type]
    except psycopg.OperationalError as error:
        raise _unreachable(error, settings) from None
    # Plans made for bound values prune partitions while planning; a generic plan would not.
    connection.prepare_threshold = None
    return connection


@contextmanager
def database_errors(action: str) -> Iterator[None]:
    """Turn what PostgreSQL raises inside the block into our errors, naming ``action``.

    Raises:
        RetryableError: lost connection, deadlock, lock or statement timeout, server shutdown.
        ContractError: a constraint or a type refused the rows; nothing was written.
        FinalError: the disk of the server is full.
    """
    try:
        yield
    except errors.DiskFull as error:
        raise FinalError(
            f"{action}: the disk of the database server is full; free space, then repeat"
        ) from error
    except _RETRYABLE as error:
        raise RetryableError(f"{action} did not finish: {_one_line(error)}; try again") from error
    except (psycopg.IntegrityError, psycopg.DataError) as error:
        raise ContractError(
            f"{action} was refused by the database ({error.diag.constraint_name or 'value'}): "
            f"{_one_line(error)}; check the rows before storing them"
        ) from error


def begin_own_transaction(connection: Connection, action: str) -> None:
    """End an open transaction that only read, so that ``action`` can begin and end its own.

    Raises:
        InvalidInputError: the caller's open transaction has written, or has failed.
    """
    status = connection.info.transaction_status
    if status == TransactionStatus.IDLE:
        return
    if status == TransactionStatus.INTRANS:
        row = connection.execute("SELECT pg_current_xact_id_if_assigned() IS NULL").fetchone()
        if row is not None and row[0]:
            connection.rollback()
            return
    what = "wrote" if status == TransactionStatus.INTRANS else "failed"
    raise InvalidInputError(
        f"{action} commits by itself, but the connection has an open transaction that {what}: "
        "commit or roll back first"
    )


def _as_options(settings: dict[str, str]) -> str:
    return " ".join(f"-c {name}={value}" for name, value in settings.items())


def _unreachable(error: psycopg.OperationalError, settings: dict[str, str]) -> Exception:
    where = (
        f"warehouse {settings.get('dbname', '')!r} at "
        f"{settings.get('host', 'localhost')}:{settings.get('port', '5432')}"
    )
    reason = _one_line(error)
    if settings.get("password"):
        reason = reason.replace(settings["password"], "***")
    if any(sign in reason for sign in _REFUSALS):
        return InvalidInputError(f"{where} refuses the login: {reason}; mend the connection")
    return SourceUnavailableError(f"{where} cannot be reached: {reason}; is it running?")


def _one_line(error: psycopg.Error) -> str:
    text = error.diag.message_primary or str(error)
    if error.diag.message_detail:
        text = f"{text} ({error.diag.message_detail})"
    return " ".join(text.split())[:500]
