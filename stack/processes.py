"""Which running processes are provably ours, and how to end exactly those.

A pid in a file proves nothing: pids are used again. A process is ours when its own environment
names our state folder and a part (set by ``stack.launch``, inherited by all its descendants), or
when its command line is what we would have started. Nothing else is ever signalled.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import psutil

STATE_MARK = "CANDLEWICK_STATE"
PART_MARK = "CANDLEWICK_PART"


def find_process(pid: int | None) -> psutil.Process | None:
    """Return the live process ``pid``; None when it is gone or only a zombie."""
    if pid is None or pid <= 0:
        return None
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process
    except psutil.Error:
        return None


def command_line(process: psutil.Process) -> list[str]:
    """Return the arguments ``process`` was started with; empty when it may not be read."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def read_pid(path: Path) -> int | None:
    """Return the number on the first line of ``path``; None without one."""
    try:
        return int(path.read_text(encoding="utf-8").split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def marked_processes(
    state: Path, part: str | None = None, *, but: str | None = None
) -> list[psutil.Process]:
    """Return live processes started as a part of the stack in ``state``, or as that one part.

    Those of the part ``but`` are left out. The caller and its ancestors are never among them.
    """
    spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        if process.pid in spared:
            continue
        marks = _marks(process)
        if marks is None or marks[0] != str(state) or marks[1] == but:
            continue
        if part in (None, marks[1]):
            found.append(process)
    return found


def _marks(process: psutil.Process) -> tuple[str, str] | None:
    try:
        environment = process.environ()
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
    except (psutil.Error, OSError):
        return None
    if STATE_MARK not in environment or PART_MARK not in environment:
        return None
    return environment[STATE_MARK], environment[PART_MARK]


def end_processes(
    processes: Iterable[psutil.Process],
    signals: Sequence[tuple[signal.Signals, float]] = ((signal.SIGTERM, 10), (signal.SIGKILL, 5)),
) -> list[psutil.Process]:
    """Send each signal in turn, with the seconds to wait after it; return what still lives.

    ``psutil`` compares start times before it signals, so a pid used again is not hit.
    """
    alive = list(processes)
    for number, patience_s in signals:
        if not alive:
            break
        for process in alive:
            with contextlib.suppress(psutil.Error):
                process.send_signal(number)
        alive = wait_gone(alive, patience_s)
    return alive


def wait_gone(processes: Iterable[psutil.Process], patience_s: float) -> list[psutil.Process]:
    """Wait at most ``patience_s`` seconds; return those still alive (zombies count as gone)."""
    alive = list(processes)
    deadline = time.monotonic() + patience_s
    while True:
        alive = [process for process in alive if _lives(process)]
        if not alive or time.monotonic() >= deadline:
            return alive
        time.sleep(0.05)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
