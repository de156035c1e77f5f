"""A durable PostgreSQL that is killed on purpose and comes back."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from include.warehouse.migrate import upgrade
from stack.postgres import EmbeddedPostgres
from stack.processes import wait_gone
from tests.support.ports import free_port
from tests.support.postgres import OWNER, OWNER_PASSWORD, owner_dsn

DATABASE = "warehouse"
LONGEST_S = 300.0
"""Far beyond what any step takes on any machine: reached only when it never comes."""


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
        # Halted first: it starts no other between our look and the blow.
        postmaster.suspend()
        wait_until(lambda: postmaster.status() == psutil.STATUS_STOPPED, "the server to halt")
        family = [*postmaster.children(recursive=True), postmaster]
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        assert wait_gone(family, LONGEST_S) == []
        self.server.stop()

    def restart(self) -> None:
        """Start again and wait until it has recovered."""
        self.server.start()

    def kill_backend(self, application: str) -> bool:
        """Kill -9 one session of ``application``: the server restarts by itself. Tell if any.

        A session may end between the answer of the server and the blow: then another is struck.
        Returns when the server has done what follows from it, and answers again.
        """
        with self.server.connect() as connection:
            found = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE application_name = %s", (application,)
            ).fetchall()
        for (pid,) in found:
            try:
                victim = psutil.Process(pid)
                victim.kill()
            except psutil.NoSuchProcess:
                continue
            # Until its parent has buried it a new session may begin, and be ended a moment later.
            wait_until(lambda one=victim: not one.is_running(), "the server to bury its session")
            self.server.wait_ready(LONGEST_S)
            return True
        return False


def wait_until(done: Callable[[], bool], what: str) -> None:
    """Return once ``done`` is true; only what never happens takes the longest wait."""
    deadline = time.monotonic() + LONGEST_S
    while not done():
        assert time.monotonic() < deadline, f"waited {LONGEST_S:g} s for {what}"
        time.sleep(0.002)


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
