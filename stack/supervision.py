"""supervisord: its configuration, starting it, talking to it, and what it left when it was killed.

Each part runs through ``stack.launch`` in a process group of its own and is started again whenever
it ends. Control is a unix socket that only its owner may use.
"""

from __future__ import annotations

import configparser
import io
import os
import shlex
import signal
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from supervisor.xmlrpc import SupervisorTransport

from include.market.errors import SourceUnavailableError
from stack.environment import clean_environment
from stack.layout import Layout, StackRecord, write_private
from stack.parts import AIRFLOW_PARTS, Part, parts_of
from stack.postgres import EmbeddedPostgres
from stack.processes import (
    command_line,
    end_processes,
    find_process,
    marked_processes,
    read_pid,
)

ALREADY_STARTED = 60
LOG_BYTES = 10_000_000
LOG_FILES = 3


@dataclass(frozen=True, slots=True)
class PartState:
    """What supervisord says of one part; ``uptime_s`` is 0 unless it runs."""

    name: str
    state: str
    pid: int
    uptime_s: int

    @property
    def running(self) -> bool:
        """Tell whether its process is there."""
        return self.state in ("RUNNING", "STARTING")


def render_config(layout: Layout, record: StackRecord) -> str:
    """Return supervisord's configuration for this stack."""
    config = configparser.RawConfigParser()
    config["unix_http_server"] = {"file": _literal(layout.supervisor_socket), "chmod": "0600"}
    config["supervisord"] = {
        "logfile": _literal(layout.logs / "supervisord.log"),
        "logfile_maxbytes": str(LOG_BYTES),
        "logfile_backups": str(LOG_FILES),
        "pidfile": _literal(layout.supervisor_pid),
        "directory": _literal(layout.root),
        "umask": "077",
        "nocleanup": "true",
        **({"user": "root"} if os.geteuid() == 0 else {}),
    }
    config["rpcinterface:supervisor"] = {
        "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
    }
    for part in parts_of(record):
        config[f"program:{part.name}"] = _program(part, layout)
    text = io.StringIO()
    config.write(text)
    return text.getvalue()


def _program(part: Part, layout: Layout) -> dict[str, str]:
    command = [sys.executable, "-m", "stack.launch", part.name, str(layout.state)]
    # Only the group of a server that ends by itself need not be told.
    as_group = "false" if part.name == "postgres" else "true"
    return {
        "command": " ".join(shlex.quote(word) for word in command).replace("%", "%%"),
        "environment": f'PYTHONPATH="{_literal(layout.root)}"',
        "priority": str(part.priority),
        "autostart": "false",
        "autorestart": "true",
        "startsecs": "1",
        "startretries": "1000",
        "stopsignal": part.stop_signal,
        "stopwaitsecs": str(part.stop_seconds),
        "stopasgroup": as_group,
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": _literal(layout.part_log(part.name)),
        "stdout_logfile_maxbytes": str(LOG_BYTES),
        "stdout_logfile_backups": str(LOG_FILES),
    }


def _literal(path: Path) -> str:
    """Protect a path from supervisord's %-expansion."""
    return str(path).replace("%", "%%")


def supervisor_process(layout: Layout) -> psutil.Process | None:
    """Return our running supervisord, told by its command line and not by the pid file alone."""
    process = find_process(read_pid(layout.supervisor_pid))
    arguments = command_line(process) if process is not None else []
    ours = str(layout.supervisor_config) in arguments and "supervisor.supervisord" in arguments
    return process if ours else None


def start_supervisor(layout: Layout, record: StackRecord, inherited: Mapping[str, str]) -> None:
    """Start supervisord as a daemon, with no part running yet.

    Raises:
        SourceUnavailableError: it did not come up; its own words are in the message.
    """
    layout.make_socket_folder()
    write_private(layout.supervisor_config, render_config(layout, record))
    finished = subprocess.run(
        [sys.executable, "-m", "supervisor.supervisord", "-c", str(layout.supervisor_config)],
        env={**clean_environment(inherited), "PYTHONPATH": str(layout.root)},
        cwd=layout.root,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    deadline = time.monotonic() + 120
    while finished.returncode == 0 and time.monotonic() < deadline:
        if part_states(layout) is not None:
            return
        time.sleep(0.05)
    words = (finished.stdout + finished.stderr).strip().splitlines()[-1:]
    raise SourceUnavailableError(
        f"supervisord did not start: {''.join(words)} (see {layout.logs / 'supervisord.log'})"
    )


@contextmanager
def _server(layout: Layout) -> Iterator[Any]:
    transport = SupervisorTransport(None, None, f"unix://{layout.supervisor_socket}")
    try:
        yield xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor
    finally:
        transport.close()


def part_states(layout: Layout) -> dict[str, PartState] | None:
    """Return the state of every part; None when no supervisord of ours answers."""
    if supervisor_process(layout) is None:
        return None
    try:
        with _server(layout) as server:
            rows = server.getAllProcessInfo()
    except (OSError, xmlrpc.client.Error):
        return None
    return {
        row["name"]: PartState(
            row["name"],
            row["statename"],
            row["pid"],
            max(0, row["now"] - row["start"]) if row["statename"] == "RUNNING" else 0,
        )
        for row in rows
    }


def start_parts(layout: Layout, names: Iterable[str]) -> None:
    """Start the named parts, unless they run already; does not wait for them to be ready."""
    with _server(layout) as server:
        for name in names:
            try:
                server.startProcess(name, False)
            except xmlrpc.client.Fault as fault:
                if fault.faultCode != ALREADY_STARTED:
                    raise SourceUnavailableError(
                        f"part {name} could not be started: {fault.faultString}"
                    ) from None


def _begin_stopping(layout: Layout) -> None:
    """Tell the last parts to end side by side; supervisord alone would end one after the other.

    The API server is not among them: tasks that are just ending still report to it.
    """
    last = max(part.priority for part in AIRFLOW_PARTS)
    try:
        with _server(layout) as server:
            for part in AIRFLOW_PARTS:
                if part.priority == last:
                    server.stopProcess(part.name, False)
    except (OSError, xmlrpc.client.Error):
        # It stops them all the same, only slower.
        return


def stop_everything(layout: Layout) -> list[str]:
    """Stop all that is provably of this stack; return the names of what was running.

    In this order: supervisord, which ends its parts in reverse order of their start; parts that
    outlived a killed supervisord; the database server, by its own verified pid.
    """
    stopped = []
    supervisor = supervisor_process(layout)
    if supervisor is not None:
        stopped.append("supervisord and its parts")
        _begin_stopping(layout)
        end_processes([supervisor], ((signal.SIGTERM, 120.0), (signal.SIGKILL, 5.0)))
    # A backend is never signalled by us: its server ends it.
    leftovers = marked_processes(layout.state, but="postgres")
    if leftovers:
        stopped.append(f"{len(leftovers)} leftover processes")
        end_processes(leftovers, ((signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0)))
    server = EmbeddedPostgres(layout.postgres_data, 0)
    if server.running_process() is not None:
        stopped.append("postgres")
        server.clear_way()
    layout.remove_socket()
    return stopped
