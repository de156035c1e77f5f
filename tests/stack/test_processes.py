from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from stack.processes import (
    PART_MARK,
    STATE_MARK,
    end_processes,
    find_process,
    marked_processes,
    read_pid,
)

# Ignores the polite signal, as a hung component does.
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); "


@contextmanager
def child(*, stubborn: bool = False, **marks: str) -> Iterator[subprocess.Popen[bytes]]:
    code = (STUBBORN if stubborn else "import time; print(flush=True); ") + "time.sleep(600)"
    process = subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, **marks}, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_only_the_marks_of_this_state_count(tmp_path: Path) -> None:
    mine = {STATE_MARK: str(tmp_path), PART_MARK: "scheduler"}
    with (
        child(**mine) as ours,
        child(**{**mine, PART_MARK: "triggerer"}) as other_part,
        child(**{**mine, STATE_MARK: f"{tmp_path}-2"}),
        child(**{STATE_MARK: str(tmp_path)}),
        child(),
    ):
        found = {process.pid for process in marked_processes(tmp_path)}
        assert found == {ours.pid, other_part.pid}
        assert [p.pid for p in marked_processes(tmp_path, "scheduler")] == [ours.pid]
        assert [p.pid for p in marked_processes(tmp_path, but="scheduler")] == [other_part.pid]


def test_the_polite_signal_comes_first_and_the_last_one_ends_it() -> None:
    with child() as polite, child(stubborn=True) as stubborn:
        processes = [psutil.Process(polite.pid), psutil.Process(stubborn.pid)]
        assert end_processes(processes, ((signal.SIGTERM, 1.0), (signal.SIGKILL, 10.0))) == []
        assert polite.wait() == -signal.SIGTERM
        assert stubborn.wait() == -signal.SIGKILL


def test_what_cannot_be_ended_is_returned() -> None:
    with child(stubborn=True) as stubborn:
        left = end_processes([psutil.Process(stubborn.pid)], ((signal.SIGTERM, 0.1),))
        assert [process.pid for process in left] == [stubborn.pid]


def test_a_zombie_is_no_process(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert psutil.pid_exists(process.pid)
    assert find_process(process.pid) is None
    process.wait()


def test_a_pid_file_may_be_missing_or_nonsense(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    assert read_pid(path) is None
    path.write_text("")
    assert read_pid(path) is None
    path.write_text("17\nmore\n")
    assert read_pid(path) == 17
    assert find_process(None) is None
    assert find_process(-1) is None
