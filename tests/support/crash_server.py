"""A durable PostgreSQL that is killed on purpose and comes back."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from include.market.errors import SourceUnavailableError
from include.warehouse.migrate import upgrade
from stack.postgres import EmbeddedPostgres
from tests.support.postgres import OWNER, OWNER_PASSWORD, free_port, owner_dsn

DATABASE = "warehouse"


class CrashServer:
    """One durable server with a migrated warehouse."""

    def __init__(self, folder: Path) -> None:
        """Make the cluster and start it."""
        self.server = EmbeddedPostgres(folder / "data", free_port(), durable=True)
        self.server.start()
        self.server.ensure_database(DATABASE, OWNER, OWNER_PASSWORD)
        self.dsn = owner_dsn(self.server, DATABASE)
        upgrade(self.dsn)

    def kill(self) -> None:
        """Kill -9 the server with all its processes: the power is gone."""
        postmaster = self.server.running_process()
        assert postmaster is not None
        family = [postmaster, *postmaster.children(recursive=True)]
        for process in family:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(family[1:], timeout=10)
        self.server.stop()

    def restart(self) -> None:
        """Start again and wait until it has recovered."""
        for _ in range(20):
            try:
                return self.server.start()
            except SourceUnavailableError:
                # A process of the old server may still be going; the new one refuses until then.
                self.server.stop()
        return self.server.start()

    def kill_backend(self, application: str) -> bool:
        """Kill -9 one session of ``application``: the server restarts by itself. Tell if any.

        A session may end between the answer of the server and the blow: then another is struck.
        """
        with self.server.connect() as connection:
            found = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE application_name = %s", (application,)
            ).fetchall()
        for (pid,) in found:
            try:
                psutil.Process(pid).kill()
            except psutil.NoSuchProcess:
                continue
            return True
        return False


@contextmanager
def crash_server() -> Iterator[CrashServer]:
    """Run such a server for a test."""
    folder = Path(tempfile.mkdtemp(prefix="candlewick-crash-"))
    made: list[CrashServer] = []
    try:
        made.append(CrashServer(folder))
        yield made[0]
    finally:
        for one in made:
            one.server.stop()
        shutil.rmtree(folder, ignore_errors=True)
