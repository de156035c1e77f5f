from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from include.market.errors import InvalidInputError
from stack.postgres import EmbeddedPostgres
from tests.support.ports import free_port


@pytest.fixture(scope="module")
def pristine() -> Iterator[Path]:
    """A cluster as initdb leaves it; copying one is quicker than making one."""
    path = Path(tempfile.mkdtemp(prefix="candlewick-test-"))
    EmbeddedPostgres(path / "data", 1, durable=False).initialise()
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def folder(pristine: Path) -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="candlewick-test-"))
    shutil.copytree(pristine, path, dirs_exist_ok=True)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def server(folder: Path) -> Iterator[EmbeddedPostgres]:
    """A started server that syncs to disk, as the stack's does."""
    server = EmbeddedPostgres(folder / "data", free_port())
    server.start()
    yield server
    server.stop()


def test_committed_rows_outlive_kill_9(server: EmbeddedPostgres) -> None:
    with server.connect() as connection:
        connection.execute("create table kept (n int)")
        connection.execute("insert into kept select generate_series(1, 1000)")
    process = server.running_process()
    assert process is not None
    process.kill()
    server.stop()
    assert server.running_process() is None
    server.start()
    with server.connect() as connection:
        assert connection.execute("select count(*), sum(n) from kept").fetchone() == (1000, 500500)


def test_a_month_filled_where_it_is_made_outlives_kill_9(server: EmbeddedPostgres) -> None:
    with server.connect() as connection:
        with connection.transaction():
            connection.execute("create table month (n int primary key, t text)")
            connection.execute(
                "insert into month select n, repeat('x', 100) from generate_series(1, 50000) n"
            )
        connection.execute("update month set t = 'y' where n <= 100")
    process = server.running_process()
    assert process is not None
    process.kill()
    server.stop()
    server.start()
    with server.connect() as connection:
        counted = connection.execute(
            "select count(*), count(*) filter (where t = 'y') from month"
        ).fetchone()
    assert counted == (50_000, 100)


def test_the_cluster_is_closed_to_strangers(server: EmbeddedPostgres) -> None:
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(server.dsn().replace(f":{server.password}@", "@"))
    with server.connect() as connection:
        settings = {
            name: connection.execute("select current_setting(%s)", (name,)).fetchone()
            for name in (
                *("listen_addresses", "fsync", "data_checksums", "TimeZone"),
                *("wal_level", "full_page_writes", "synchronous_commit"),
            )
        }
        methods = connection.execute("select distinct auth_method from pg_hba_file_rules")
        assert methods.fetchall() == [("scram-sha-256",)]
    assert settings == {
        "listen_addresses": ("127.0.0.1",),
        "fsync": ("on",),
        "data_checksums": ("on",),
        "TimeZone": ("UTC",),
        "wal_level": ("minimal",),
        "full_page_writes": ("on",),
        "synchronous_commit": ("on",),
    }
    assert stat.S_IMODE(server.password_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(server.data_dir.stat().st_mode) == 0o700


def test_databases_belong_to_their_owner_alone(server: EmbeddedPostgres) -> None:
    for _ in range(2):
        server.ensure_database("warehouse", "candlewick", "first")
    server.ensure_database("airflow", "airflow", "second")
    server.ensure_database("warehouse", "candlewick", "changed")
    host = f"127.0.0.1:{server.port}"
    with psycopg.connect(f"postgresql://candlewick:changed@{host}/warehouse") as connection:
        row = connection.execute("select usesuper from pg_user where usename = current_user")
        assert row.fetchone() == (False,)
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(f"postgresql://candlewick:changed@{host}/airflow")


def test_a_foreign_process_is_never_signalled(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "data", free_port(), durable=False)
    server.initialise()
    foreign = subprocess.Popen(["sleep", "600"])
    lock = server.data_dir / "postmaster.pid"
    try:
        lock.write_text(f"{foreign.pid}\n{server.data_dir}\n0\n{server.port}\n\n127.0.0.1\n")
        server.account.own(lock)
        assert server.running_process() is None
        server.stop()
        assert foreign.poll() is None
        server.start()
        assert foreign.poll() is None
        server.stop()
        assert foreign.poll() is None
    finally:
        foreign.kill()
        foreign.wait()


def test_a_server_of_another_folder_is_foreign_too(
    server: EmbeddedPostgres, folder: Path, pristine: Path
) -> None:
    shutil.copytree(pristine / "data", folder / "other")
    other = EmbeddedPostgres(folder / "other", free_port(), durable=False)
    shutil.copy(server.data_dir / "postmaster.pid", other.data_dir / "postmaster.pid")
    assert other.running_process() is None
    other.clear_way()
    assert not (other.data_dir / "postmaster.pid").exists()
    assert server.answers()


def test_a_leftover_of_ours_is_ended_before_the_next_start(folder: Path) -> None:
    port = free_port()
    first = EmbeddedPostgres(folder / "data", port, durable=False)
    first.start()
    leftover = first.running_process()
    second = EmbeddedPostgres(folder / "data", port, durable=False)
    second.start()
    try:
        now = second.running_process()
        assert leftover is not None
        assert now is not None
        assert now.pid != leftover.pid
    finally:
        second.stop()
        first.stop()


def test_an_interrupted_initdb_leaves_nothing_half_made(folder: Path) -> None:
    shutil.rmtree(folder / "data")
    server = EmbeddedPostgres(folder / "data", free_port(), durable=False)
    half = folder / "data.init-1"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    assert server.initialise() is True
    assert not half.exists()
    assert server.initialise() is False


def test_a_lost_password_is_told_with_its_remedy(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "data", free_port(), durable=False)
    server.start()
    try:
        kept = server.password
        server.password_file.write_text("another")
        with pytest.raises(InvalidInputError, match="refuses the password"):
            server.answers()
        server.password_file.unlink()
        with pytest.raises(InvalidInputError, match="is gone"):
            server.answers()
        server.password_file.write_text(kept)
        assert server.answers()
    finally:
        server.stop()


def test_a_long_path_does_without_a_unix_socket(folder: Path) -> None:
    deep = folder / ("x" * 90)
    shutil.copytree(folder / "data", deep / "data")
    shutil.copy(folder / "postgres_password", deep)
    server = EmbeddedPostgres(deep / "data", free_port(), durable=False)
    assert "unix_socket_directories=" in server.command()
    server.start()
    try:
        assert server.answers()
    finally:
        server.stop()


def test_the_server_dies_with_the_process_that_started_it(folder: Path) -> None:
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv")
    code = (
        "import sys; from pathlib import Path; from stack.postgres import EmbeddedPostgres; "
        "EmbeddedPostgres(Path(sys.argv[1]), int(sys.argv[2]), durable=False).start(); "
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    )
    port = free_port()
    done = subprocess.run([sys.executable, "-c", code, folder / "data", str(port)], check=False)
    assert done.returncode == -signal.SIGKILL
    server = EmbeddedPostgres(folder / "data", port, durable=False)
    process = server.running_process()
    if process is not None:
        process.wait(timeout=300)
    assert server.running_process() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another account")
def test_as_root_only_the_data_folder_changes_hands(folder: Path) -> None:
    before = stat.S_IMODE(folder.stat().st_mode)
    server = EmbeddedPostgres(folder / "data", free_port(), durable=False)
    server.start()
    try:
        process = server.running_process()
        assert process is not None
        assert process.uids().effective == server.account.uid != 0
        assert server.data_dir.stat().st_uid == server.account.uid
        assert (folder.stat().st_uid, stat.S_IMODE(folder.stat().st_mode)) == (0, before)
        assert server.password_file.stat().st_uid == 0
    finally:
        server.stop()
