"""Sessions that cannot hang, and errors that tell no secrets."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict

from include.market.errors import (
    ContractError,
    FinalError,
    InvalidInputError,
    RetryableError,
    SourceUnavailableError,
)
from include.warehouse.engine import Connection, begin_own_transaction, connect, database_errors
from tests.support.ports import free_port
from tests.support.warehouse import query


def show(connection: Connection, *names: str) -> list[str]:
    return [query(connection, f"SELECT current_setting('{name}')")[0][0] for name in names]


def test_every_wait_is_bounded(connection: Connection) -> None:
    limits = show(
        connection,
        "lock_timeout",
        "statement_timeout",
        "idle_in_transaction_session_timeout",
        "transaction_timeout",
    )
    assert limits == ["30s", "5min", "5min", "15min"]
    dialled = connection.info.get_parameters()
    assert dialled["tcp_user_timeout"] == "30000"
    assert dialled["keepalives_idle"] == "30"
    assert dialled["connect_timeout"] == "10"


def test_time_zone_and_search_path_are_fixed_whatever_the_address_says(warehouse_dsn: str) -> None:
    wish = (
        "?options=-c%20search_path%3Dmarket%20-c%20TimeZone%3DAsia/Tokyo%20-c%20lock_timeout%3D5s"
    )
    with connect(warehouse_dsn + wish, application="wish") as connection:
        assert show(connection, "TimeZone", "search_path", "lock_timeout", "application_name") == [
            "UTC",
            "pg_catalog,pg_temp",
            "5s",
            "wish",
        ]


def test_a_temporary_table_cannot_stand_in_for_a_catalog_table(connection: Connection) -> None:
    connection.execute("CREATE TEMPORARY TABLE pg_class (relname text)")
    assert connection.execute("SELECT count(*) > 100 FROM pg_class").fetchone() == (True,)


def test_a_server_that_is_not_there_is_told_in_one_line_without_the_password() -> None:
    dsn = f"postgresql://someone:s3cr3tw0rd@127.0.0.1:{free_port()}/warehouse"
    with pytest.raises(SourceUnavailableError) as caught:
        connect(dsn, application="test")
    message = str(caught.value)
    assert "127.0.0.1" in message
    assert "'warehouse'" in message
    assert "\n" not in message
    assert "s3cr3tw0rd" not in message
    assert caught.value.__cause__ is None


def test_a_wrong_password_is_an_error_to_mend_and_is_not_repeated(warehouse_dsn: str) -> None:
    password = str(conninfo_to_dict(warehouse_dsn)["password"])
    with pytest.raises(InvalidInputError, match="refuses the login") as caught:
        connect(warehouse_dsn.replace(password, "wr0ngw0rd"), application="test")
    assert "wr0ngw0rd" not in str(caught.value)


def test_a_database_that_does_not_exist_is_an_error_to_mend(warehouse_dsn: str) -> None:
    name = str(conninfo_to_dict(warehouse_dsn)["dbname"])
    with pytest.raises(InvalidInputError, match="does not exist"):
        connect(warehouse_dsn.replace(name, "nowhere"), application="test")


@pytest.mark.parametrize("dsn", ["postgresql://u:s3cr3t@h:port/d", "s3cr3t", "http://u:s3cr3t@h/d"])
def test_an_address_that_is_none_is_refused_without_being_repeated(dsn: str) -> None:
    with pytest.raises(InvalidInputError, match="the warehouse address") as caught:
        connect(dsn, application="test")
    assert "s3cr3t" not in str(caught.value)


def test_waiting_for_a_lock_ends_as_a_retryable_error(
    connection: Connection, warehouse_dsn: str
) -> None:
    connection.execute("LOCK TABLE market.asset IN EXCLUSIVE MODE")
    hurried = connect(warehouse_dsn + "?options=-c%20lock_timeout%3D50ms", application="test")
    with (
        hurried,
        pytest.raises(RetryableError, match="entering an asset did not finish"),
        database_errors("entering an asset"),
    ):
        hurried.execute("INSERT INTO market.asset (code) VALUES ('BTC')")


def test_a_terminated_session_is_a_retryable_error(
    connection: Connection, dial: Callable[[], Connection]
) -> None:
    query(dial(), "SELECT pg_terminate_backend(%s)", connection.info.backend_pid)
    with pytest.raises(RetryableError, match="try again"), database_errors("looking"):
        connection.execute("SELECT 1")


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (errors.DeadlockDetected, RetryableError),
        (errors.SerializationFailure, RetryableError),
        (errors.QueryCanceled, RetryableError),
        (errors.AdminShutdown, RetryableError),
        (errors.TooManyConnections, RetryableError),
        (psycopg.OperationalError, RetryableError),
        (errors.CheckViolation, ContractError),
        (errors.ForeignKeyViolation, ContractError),
        (errors.NumericValueOutOfRange, ContractError),
        (errors.DiskFull, FinalError),
        (errors.UndefinedTable, errors.UndefinedTable),
    ],
)
def test_every_database_error_gets_its_place_in_our_tree(
    raised: type[psycopg.Error], expected: type[Exception]
) -> None:
    with pytest.raises(expected), database_errors("the work"):
        raise raised("what\nhappened")


def test_work_that_commits_by_itself_refuses_to_commit_what_the_caller_wrote(
    connection: Connection,
) -> None:
    connection.execute("SELECT 1")
    begin_own_transaction(connection, "the work")
    connection.execute("INSERT INTO market.asset (code) VALUES ('BTC')")
    with pytest.raises(InvalidInputError, match="commit or roll back first"):
        begin_own_transaction(connection, "the work")
    connection.rollback()
    with pytest.raises(errors.SyntaxError):
        connection.execute("nonsense")
    with pytest.raises(InvalidInputError, match="failed"):
        begin_own_transaction(connection, "the work")
