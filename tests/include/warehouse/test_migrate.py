"""The schema comes up whole, once, however many bring it up."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from include.market.candle import OPTIONAL_COLUMNS
from include.market.errors import ContractError
from include.warehouse.dictionary import list_undocumented, render_dictionary
from include.warehouse.engine import Connection
from include.warehouse.migrate import current_revision, downgrade, upgrade
from tests.support.warehouse import load_frame, minutes, query, seed_reference, walk, without

ROOT = Path(__file__).parents[3]
HEAD = max(path.name[:4] for path in (ROOT / "include/warehouse/migrations/versions").glob("0*.py"))
OURS = "SELECT count(*) FROM pg_class WHERE relnamespace::regnamespace::text = ANY(%s)"
SCHEMAS = ["market", "ledger", "model", "report"]


def count_relations(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(OURS, (SCHEMAS,)).fetchone()
    return row[0] if row else -1


def test_an_empty_database_has_no_revision_and_upgrading_brings_it_to_the_head(
    empty_dsn: str,
) -> None:
    assert current_revision(empty_dsn) is None
    upgrade(empty_dsn)
    assert current_revision(empty_dsn) == HEAD


def test_upgrading_again_changes_nothing(warehouse_dsn: str) -> None:
    before = count_relations(warehouse_dsn)
    upgrade(warehouse_dsn)
    assert count_relations(warehouse_dsn) == before > 50


def test_downgrading_to_base_leaves_only_the_version_table_and_upgrading_restores_all(
    warehouse_dsn: str,
) -> None:
    before = count_relations(warehouse_dsn)
    downgrade(warehouse_dsn, "base")
    assert current_revision(warehouse_dsn) is None
    assert count_relations(warehouse_dsn) == 2  # the version table and its key
    upgrade(warehouse_dsn)
    assert count_relations(warehouse_dsn) == before


def test_four_upgrades_at_once_all_succeed_and_run_each_migration_once(empty_dsn: str) -> None:
    program = f"from include.warehouse.migrate import upgrade; upgrade({empty_dsn!r})"
    others = [subprocess.Popen([sys.executable, "-c", program], cwd=ROOT) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(upgrade, [empty_dsn] * 2))
    assert [other.wait(timeout=600) for other in others] == [0, 0]
    with psycopg.connect(empty_dsn) as connection:
        assert connection.execute("SELECT * FROM ledger.schema_version").fetchall() == [(HEAD,)]


NULLABLE = (
    "SELECT attrelid::regclass::text, count(*) FROM pg_attribute "
    "WHERE attname = ANY(%s) AND NOT attnotnull AND attrelid::regclass::text LIKE %s "
    "GROUP BY 1 ORDER BY 1"
)


def test_months_that_stand_already_take_absent_columns_as_new_ones_do(empty_dsn: str) -> None:
    upgrade(empty_dsn, "0007")
    ensure = "SELECT market.ensure_partitions('market.candle_5m', %s, %s)"
    with psycopg.connect(empty_dsn, autocommit=True) as connection:

        def nullable() -> list[tuple[str, int]]:
            asked = (list(OPTIONAL_COLUMNS), "market.candle_5m%")
            return [
                row for row in connection.execute(NULLABLE, asked) if not row[0].endswith("_pkey")
            ]

        connection.execute(ensure, ("2024-01-01", "2024-02-01"))
        assert nullable() == []
        upgrade(empty_dsn)
        connection.execute(ensure, ("2024-02-01", "2024-03-01"))
        tables = ["market.candle_5m", "market.candle_5m_2024_01", "market.candle_5m_2024_02"]
        assert nullable() == [(table, len(OPTIONAL_COLUMNS)) for table in tables]
        downgrade(empty_dsn, "0007")
        assert nullable() == []


def test_what_is_absent_cannot_be_downgraded_away(
    connection: Connection, warehouse_dsn: str
) -> None:
    seed_reference(connection)
    load_frame(connection, without(walk(3), "trade_count"), minutes(0, 3))
    with pytest.raises(ContractError, match="trade_count"):
        downgrade(warehouse_dsn, "0007")
    assert current_revision(warehouse_dsn) == HEAD
    assert query(connection, "SELECT count(*) FROM market.candle_1m") == [(3,)]


def test_the_alembic_command_finds_the_same_database(warehouse_dsn: str) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "alembic", "current"],
        cwd=ROOT,
        env=os.environ | {"WAREHOUSE_URL": warehouse_dsn},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"{HEAD} (head)" in finished.stdout, finished.stderr


def test_every_table_column_function_and_type_has_a_comment(connection: Connection) -> None:
    assert list_undocumented(connection) == []


@pytest.mark.parametrize(
    ("silence", "name"),
    [
        ("COMMENT ON COLUMN market.candle_4h.close IS NULL", "market.candle_4h.close"),
        ("COMMENT ON TABLE ledger.gap IS NULL", "ledger.gap"),
        ("COMMENT ON TYPE market.textrange IS NULL", "market.textrange"),
        ("COMMENT ON COLUMN market.incomplete_candle.proven IS ''", "market.incomplete_candle"),
        ("CREATE FUNCTION model.f() RETURNS int LANGUAGE sql RETURN 1", "model.f()"),
    ],
)
def test_the_search_for_missing_comments_sees_what_it_looks_for(
    connection: Connection, silence: str, name: str
) -> None:
    connection.execute(silence)
    assert name in "".join(list_undocumented(connection))


def test_the_data_dictionary_is_up_to_date(connection: Connection) -> None:
    page = (ROOT / "docs/data-dictionary.md").read_text(encoding="utf-8")
    assert page == render_dictionary(connection), (
        "run WAREHOUSE_URL=… python -m include.warehouse.dictionary docs/data-dictionary.md"
    )
    assert "### Partitioned table `market.candle_1m`" in page
