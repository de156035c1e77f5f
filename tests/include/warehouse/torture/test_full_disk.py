"""The disk of the server is full in the middle of a load: a clear end, and no trace of it."""

from __future__ import annotations

import os
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import sql

from include.market.errors import FinalError
from include.warehouse.engine import connect
from include.warehouse.landing import get_landing
from stack.postgres import EmbeddedPostgres
from tests.support.loader_invariants import check_ledger
from tests.support.loader_world import land
from tests.support.postgres import create_database, drop_database
from tests.support.warehouse import load_landing, minutes, query, seed_reference, walk

SIZE_MB, LEFT_MB = 160, 3
BIG = 60_000


@pytest.fixture
def small_disk(postgres_server: EmbeddedPostgres) -> Iterator[Path]:
    """Mount a small disk that the server may write to."""
    folder = Path(tempfile.mkdtemp(prefix="candlewick-disk-"))
    options = ["-t", "tmpfs", "-o", f"size={SIZE_MB}m,mode=0711", "tmpfs", str(folder)]
    mounted = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        folder.rmdir()
        pytest.skip(f"a small disk takes root and the right to mount: {mounted.stderr.strip()}")
    try:
        data = folder / "data"
        data.mkdir(mode=0o700)
        postgres_server.account.own(data)
        folder.chmod(0o711)
        yield data
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
        folder.rmdir()


@pytest.fixture
def small_dsn(
    small_disk: Path, postgres_server: EmbeddedPostgres, migrated_template: str
) -> Iterator[str]:
    """Return the URL of a warehouse whose tables lie on the small disk; the log does not."""
    name = f"small_{uuid.uuid4().hex[:12]}"
    dsn = create_database(postgres_server, name, migrated_template)
    space, database = sql.Identifier(f"space_{name}"), sql.Identifier(name)
    with postgres_server.connect() as connection:
        connection.execute(
            sql.SQL("CREATE TABLESPACE {} LOCATION {}").format(space, sql.Literal(str(small_disk)))
        )
        connection.execute(sql.SQL("ALTER DATABASE {} SET TABLESPACE {}").format(database, space))
    yield dsn
    drop_database(postgres_server, name)
    with postgres_server.connect() as connection:
        connection.execute(sql.SQL("DROP TABLESPACE {}").format(space))


def test_a_load_on_a_full_disk_ends_with_a_clear_word_and_works_once_there_is_room(
    small_dsn: str, small_disk: Path
) -> None:
    with connect(small_dsn, application="test") as connection:
        seed_reference(connection)
        first = land(connection, minutes(0, 1000), path="first")
        assert load_landing(connection, first, walk(1000)).inserted == 1000
        landing = land(connection, minutes(0, BIG), path="big")
        ballast = small_disk / "ballast"
        fill_up_to(ballast)
        with pytest.raises(FinalError, match="the disk of the database server is full; free space"):
            load_landing(connection, landing, walk(BIG))
        # What was stored before is there, what was not is nowhere.
        assert query(connection, "SELECT count(*) FROM market.candle_1m") == [(1000,)]
        assert get_landing(connection, landing.landing_id).state == "checked"
        connection.commit()
        check_ledger(connection)
        ballast.unlink()
        assert load_landing(connection, landing, walk(BIG)).inserted == BIG - 1000
        assert query(connection, "SELECT count(*) FROM market.candle_1m") == [(BIG,)]
        check_ledger(connection)


def fill_up_to(ballast: Path) -> None:
    """Leave a little room on the disk of ``ballast``."""
    disk = os.statvfs(ballast.parent)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, disk.f_bavail * disk.f_frsize - LEFT_MB * 2**20)
