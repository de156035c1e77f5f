"""The schema changes beneath loads under way: both come to their end, and nothing is lost."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

from include.market.errors import RetryableError
from include.market.timeframe import M1
from include.warehouse import migrate
from include.warehouse.candles import read_candles
from include.warehouse.engine import Connection, connect
from include.warehouse.landing import Landing
from tests.support.loader_invariants import check_ledger
from tests.support.loader_world import land
from tests.support.warehouse import load_landing, minutes, query, seed_reference, walk

SPAN, ROUNDS = minutes(0, 300), 8
# What a later version may bring: a column, a rule to check on every row, an index on each month.
MIGRATION = '''
"""A change of the tables that loads write to."""

from alembic import op

revision = "9999"
down_revision = {head!r}


def upgrade() -> None:
    op.execute("ALTER TABLE market.candle_1m ADD COLUMN note text")
    op.execute("ALTER TABLE market.candle_1m ADD CONSTRAINT note_is_short CHECK (note <> 'long')")
    op.execute("ALTER TABLE ledger.load ADD COLUMN note text")
    op.execute("CREATE INDEX candle_1m_note ON market.candle_1m (load_id)")


def downgrade() -> None:
    op.execute("DROP INDEX market.candle_1m_note")
    op.execute("ALTER TABLE ledger.load DROP COLUMN note")
    op.execute("ALTER TABLE market.candle_1m DROP COLUMN note")
'''


@pytest.fixture
def one_more_migration(warehouse_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Put one more migration behind ours; return the revision before it."""
    head = migrate.current_revision(warehouse_dsn)
    assert head is not None
    shutil.copytree(migrate._MIGRATIONS, tmp_path / "migrations")
    new = tmp_path / "migrations" / "versions" / "9999_market_note.py"
    new.write_text(MIGRATION.format(head=head))
    monkeypatch.setattr(migrate, "_MIGRATIONS", tmp_path / "migrations")
    return head


def test_a_migration_and_loads_pass_each_other(
    connection: Connection, warehouse_dsn: str, one_more_migration: str
) -> None:
    ids = seed_reference(connection)
    symbols = ["BTCUSDT", "ETHUSDT"]
    landings = {
        (symbol, turn): land(connection, SPAN, path=f"{symbol}/{turn}", symbol=symbol)
        for turn in range(ROUNDS)
        for symbol in symbols
    }
    migrated = threading.Event()

    def work(symbol: str) -> int:
        loads = 0
        with closing(connect(warehouse_dsn, application="worker")) as session:
            for turn in range(ROUNDS):
                loads += load_until_done(session, landings[symbol, turn], walk(300, seed=turn + 1))
            while not migrated.is_set():
                loads += load_until_done(session, landings[symbol, turn], walk(300, seed=ROUNDS))
        return loads

    with ThreadPoolExecutor(3) as pool:
        loaders = [pool.submit(work, symbol) for symbol in symbols]
        try:
            for _ in range(3):
                migrate_until_done(warehouse_dsn, "head")
                migrate_until_done(warehouse_dsn, one_more_migration)
        finally:
            migrated.set()
        assert sum(loader.result(600) for loader in loaders) >= 2 * ROUNDS
    for symbol in symbols:
        stored = read_candles(connection, M1, ids[symbol], SPAN)
        pd.testing.assert_frame_equal(stored, walk(300, seed=ROUNDS))
    connection.commit()
    assert query(connection, "SELECT count(*) FROM market.candle_revision") == [
        (2 * 300 * (ROUNDS - 1),)
    ]
    check_ledger(connection)


def load_until_done(session: Connection, landing: Landing, frame: pd.DataFrame) -> int:
    """Load as a task does that is tried again; return 1."""
    for _ in range(10):
        try:
            load_landing(session, landing, frame)
        except RetryableError:
            continue
        return 1
    raise AssertionError("no load got past the migration")


def migrate_until_done(dsn: str, revision: str) -> None:
    """Go to a revision, up or down; where it stumbles over a load it is run again."""
    for _ in range(10):
        try:
            if migrate.current_revision(dsn) != revision:
                (migrate.upgrade if revision == "head" else migrate.downgrade)(dsn, revision)
        except RetryableError:
            continue
        return
    raise AssertionError("the migration got past no load")
