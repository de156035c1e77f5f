"""``make down``: stop what is provably of this stack, and nothing else."""

from __future__ import annotations

import signal
import time

import psutil

from stack.console import Screen
from stack.layout import Layout
from stack.processes import command_line, end_processes, find_process, read_pid
from stack.supervision import stop_everything


def down(layout: Layout) -> None:
    """Stop a ``make up`` at work, then the stack; nothing running is fine too."""
    screen, started = Screen(), time.monotonic()
    if not layout.run.exists():
        screen.say("Nothing is running.")
        return
    stopped = [*_interrupt_up(layout), *stop_everything(layout)]
    if stopped:
        screen.say(f"Stopped {', '.join(stopped)} in {time.monotonic() - started:.1f} s.")
    else:
        screen.say("Nothing is running.")
    screen.say(f"The data stay in {layout.state}.")


def _interrupt_up(layout: Layout) -> list[str]:
    process = find_process(read_pid(layout.run / "lock"))
    if process is None or command_line(process)[1:4] != ["-m", "stack", "up"]:
        return []
    try:
        given = process.environ().get("STATE", "").strip() or ".local"
    except psutil.Error:
        return []
    if (layout.root / given).resolve() != layout.state:
        return []
    end_processes([process], ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0)))
    return ["make up"]
