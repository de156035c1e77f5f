"""Months beyond the policy leave their tables but not the database; old landed files go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg import errors

from include.market.errors import InvalidInputError
from include.warehouse.audit.run import run_audit
from include.warehouse.engine import connect
from include.warehouse.retention import (
    LandedFiles,
    months_before,
    remove_landed_files,
    retire_months,
)
from tests.support.warehouse import (
    checked_landing,
    load_frame,
    minutes,
    query,
    seed_reference,
    walk,
)

AT = datetime(2026, 11, 22, 10, tzinfo=UTC)
JANUARY, FEBRUARY = 31 * 1440, 29 * 1440


@pytest.fixture
def loaded(warehouse_dsn: str) -> str:
    """Return the owner's URL of a warehouse with an hour each of January and February 2024."""
    with connect(warehouse_dsn, application="test") as connection:
        seed_reference(connection)
        load_frame(connection, walk(60), minutes(0, 60), path="file:///january")
        later = walk(60, start=datetime(2024, 2, 1, tzinfo=UTC))
        load_frame(connection, later, minutes(JANUARY, JANUARY + 60), path="file:///february")
    return warehouse_dsn


def retire(dsn: str, policy: dict[str, int], at: datetime = AT) -> list[str]:
    with connect(dsn, application="test", autocommit=True) as connection:
        return retire_months(connection, policy, at=at)


def test_months_are_counted_over_the_turn_of_the_year() -> None:
    assert months_before(datetime(2026, 1, 31, 23, 59, tzinfo=UTC), 1).isoformat()[:10] == (
        "2025-12-01"
    )
    assert months_before(AT, 24).isoformat()[:10] == "2024-11-01"
    assert months_before(AT, -3).isoformat()[:10] == "2027-02-01"


def test_by_default_everything_is_kept(loaded: str, loader_dsn: str) -> None:
    assert retire(loader_dsn, {}) == []


def test_a_month_beyond_the_policy_is_set_aside_whole(loaded: str, loader_dsn: str) -> None:
    march = datetime(2024, 3, 5, tzinfo=UTC)
    assert retire(loader_dsn, {"candle_1m": 2}, march) == []
    assert retire(loader_dsn, {"candle_1m": 1}, march) == ["retired.candle_1m_2024_01"]
    assert retire(loader_dsn, {"candle_1m": 1}, march) == []
    with connect(loaded, application="test") as connection:
        assert query(connection, "SELECT min(open_time), count(*) FROM market.candle_1m") == [
            (datetime(2024, 2, 1, tzinfo=UTC), 60)
        ]
        assert query(connection, "SELECT count(*) FROM retired.candle_1m_2024_01") == [(60,)]
        assert query(
            connection, "SELECT dataset, month::text, relation, rows FROM ledger.retired_month"
        ) == [("candle_1m", "2024-01-01", "retired.candle_1m_2024_01", 60)]
    with connect(loaded, application="test", autocommit=True) as connection:
        assert run_audit(connection, at=AT).findings == []


def test_a_month_that_came_back_is_set_aside_beside_the_first(loaded: str) -> None:
    march = datetime(2024, 3, 5, tzinfo=UTC)
    retire(loaded, {"candle_1m": 1}, march)
    with connect(loaded, application="test") as connection:
        load_frame(connection, walk(30), minutes(0, 30), path="file:///again")
    assert retire(loaded, {"candle_1m": 1}, march) == ["retired.candle_1m_2024_01_again"]
    with connect(loaded, application="test", autocommit=True) as connection:
        assert run_audit(connection, at=AT).findings == []


def test_a_table_that_has_no_months_is_told(loaded: str) -> None:
    with pytest.raises(InvalidInputError, match=r"names candle_2m, venue: choose from candle_1m,"):
        retire(loaded, {"candle_1m": 1, "venue": 3, "candle_2m": 1})


@pytest.mark.parametrize(
    ("table", "month"),
    [
        ("ledger.load", "2024-01-01"),
        ("market.venue", "2024-01-01"),
        ("market.candle_1m_2024_01", "2024-01-01"),
        ("market.candle_1m", "2024-01-02"),
        ("market.candle_1m", "2999-01-01"),
        ("market.candle_1m", None),
    ],
)
def test_nothing_else_can_be_retired_with_the_owners_rights(
    loaded: str, loader_dsn: str, table: str, month: str | None
) -> None:
    with (
        psycopg.connect(loader_dsn) as connection,
        pytest.raises(errors.InvalidParameterValue, match="retire_month"),
    ):
        connection.execute("SELECT market.retire_month(%s::regclass, %s)", (table, month))


def test_the_running_month_stays_whoever_asks(loaded: str) -> None:
    this_month = datetime.now(UTC).strftime("%Y-%m-01")
    with psycopg.connect(loaded) as connection:
        connection.execute(
            "SELECT market.ensure_partitions('market.candle_1m', now(), now() + interval '1 hour')"
        )
        with pytest.raises(errors.InvalidParameterValue, match="a month that is over"):
            connection.execute("SELECT market.retire_month('market.candle_1m', %s)", (this_month,))


def test_files_of_old_loaded_landings_go_and_no_others(loaded: str, loader_dsn: str) -> None:
    with connect(loaded, application="test") as connection:
        checked_landing(connection, minutes(100, 160), path="file:///waiting")
    gone: list[LandedFiles] = []
    later = datetime.now(UTC) + timedelta(days=30)
    with connect(loader_dsn, application="test", autocommit=True) as connection:

        def remove(days: int) -> int:
            older_than = timedelta(days=days)
            return remove_landed_files(
                connection, gone.append, older_than=older_than, at=later, batch=1
            )

        assert remove(31) == 0
        assert remove(29) == 2
        assert remove(29) == 0
    assert [(files.path, files.clean_path) for files in gone] == [
        ("file:///january", "file:///january.clean"),
        ("file:///february", "file:///february.clean"),
    ]
    with connect(loaded, application="test") as connection:
        kept = "SELECT path FROM ledger.landing WHERE files_removed_at IS NULL"
        assert query(connection, kept) == [("file:///waiting",)]
        # Other content under a known path begins anew, and its file is old one day too.
        load_frame(connection, walk(60), minutes(0, 60), path="file:///january", content="new")
    with connect(loader_dsn, application="test", autocommit=True) as connection:
        assert remove_landed_files(connection, gone.append, older_than=timedelta(1), at=later) == 1


def test_a_file_that_cannot_be_removed_is_tried_again(loaded: str) -> None:
    later = datetime.now(UTC) + timedelta(days=30)

    def refuse(files: LandedFiles) -> None:
        raise OSError(files.path)

    with connect(loaded, application="test", autocommit=True) as connection:
        with pytest.raises(OSError, match="january"):
            remove_landed_files(connection, refuse, older_than=timedelta(1), at=later)
        done: list[LandedFiles] = []
        assert remove_landed_files(connection, done.append, older_than=timedelta(1), at=later) == 2
