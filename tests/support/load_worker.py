"""Processes that load landings and may be killed at any instant: ``-m tests.support.load_worker``.

The program imports everything once and then forks a process per line it reads, so that a worker is
at work within milliseconds. A line is JSON: ``dsn``, ``groups`` of landing ids, ``run_id``. Answers
are lines too: the pid of a new worker, and at the end of each ``pid status``.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg

from include.jobs.load_warehouse import load_landings
from include.market.errors import RetryableError, StaleFenceError
from include.warehouse import bulk_plan
from include.warehouse.engine import connect
from stack.processes import find_process

ROOT = Path(__file__).parents[2]


def work(task: dict[str, Any]) -> None:
    """Load every group, as a task does; what passes is tried again, what another does is left."""
    bulk_plan.FEWEST_ROWS = task["fewest_bulk_rows"]  # type: ignore[misc]
    waiting = list(task["groups"])
    deadline = time.monotonic() + task["patience_s"]
    while waiting:
        try:
            dsn = task["dsn"]
            with closing(connect(dsn, application="worker", autocommit=True)) as connection:
                while waiting:
                    with suppress(StaleFenceError):
                        load_landings(connection, Path, waiting[0], run_id=task["run_id"])
                        acknowledge(task["acknowledged"], waiting[0])
                    waiting.pop(0)
        except (RetryableError, psycopg.OperationalError):
            # The latter where a lost connection shows between two loads; a task is tried again.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def acknowledge(path: str, landing_ids: Sequence[int]) -> None:
    """Write down what this worker was told is stored, so that it outlives the worker."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, "".join(f"{landing_id}\n" for landing_id in landing_ids).encode())
    os.close(file)


def serve() -> None:
    """Fork a worker per line of standard input; reap and report those that ended."""
    alive: set[int] = set()
    stdin = os.fdopen(os.dup(0), "rb", buffering=0)
    rest = b""
    while True:
        ready, _, _ = select.select([stdin], [], [], 0.01)
        if ready:
            data = stdin.read(65536)
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                alive.add(_fork(json.loads(line)))
        while alive:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            alive.discard(pid)
            print(pid, os.waitstatus_to_exitcode(status), flush=True)


def _fork(task: dict[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work(task)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    print(pid, flush=True)
    return pid


class Workers:
    """The program above, started once; starts, kills and awaits workers."""

    def __init__(self, dsn: str, *, fewest_bulk_rows: int, folder: Path) -> None:
        """Start the program; it is ready when the first worker is asked for.

        Months of ``fewest_bulk_rows`` and more are loaded as a whole where they are empty.
        """
        self._acknowledged = folder / "acknowledged"
        self._acknowledged.touch()
        self._task = {
            "dsn": dsn,
            "fewest_bulk_rows": fewest_bulk_rows,
            "acknowledged": str(self._acknowledged),
        }
        self._alive: set[int] = set()
        self._program = subprocess.Popen(
            [sys.executable, "-m", "tests.support.load_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def start(
        self, groups: Sequence[Sequence[int]], *, run_id: str, patience_s: float = 600
    ) -> int:
        """Start one worker on groups of landings; return its pid."""
        assert self._program.stdin is not None
        task = self._task | {"groups": groups, "run_id": run_id, "patience_s": patience_s}
        self._program.stdin.write(json.dumps(task) + "\n")
        self._program.stdin.flush()
        while len(words := self._read()) == 2:
            self._ended(words)
        self._alive.add(words[0])
        return words[0]

    def acknowledged(self) -> set[int]:
        """Return the landings that workers, dead or alive, were told are stored."""
        return {int(line) for line in self._acknowledged.read_text().splitlines()}

    def kill(self) -> int:
        """Kill -9 every worker still at work; return how many there were."""
        pids = list(self._alive)
        for pid in pids:
            # One that ended by itself may be reaped before its end is read here.
            with suppress(ProcessLookupError):
                os.kill(pid, 9)
        while self._alive:
            self._ended(self._read(), killed=True)
        return len(pids)

    def at_work(self) -> bool:
        """Tell whether any worker has not ended yet."""
        return any(find_process(pid) is not None for pid in self._alive)

    def wait(self) -> None:
        """Return when every worker is through; none may fail."""
        while self._alive:
            self._ended(self._read())

    def _read(self) -> list[int]:
        assert self._program.stdout is not None
        return [int(word) for word in self._program.stdout.readline().split()]

    def _ended(self, words: list[int], *, killed: bool = False) -> None:
        pid, status = words
        self._alive.discard(pid)
        assert status == 0 or (killed and status == -9), f"worker {pid} ended with {status}"

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the program and whoever still works for it."""
        for pid in self._alive:
            with suppress(ProcessLookupError):
                os.kill(pid, 9)
        self._program.communicate()


if __name__ == "__main__":
    serve()
