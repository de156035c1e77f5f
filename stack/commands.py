"""The small commands: ``status``, ``env``, ``psql`` and ``logs``."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence

from include.market.errors import InvalidInputError
from include.market.timeframe import VARIABLE as TIMEFRAMES_VARIABLE
from stack.airflow_api import AirflowApi
from stack.chain import run_under
from stack.console import Screen
from stack.environment import clean_environment
from stack.keys import ADMIN, load_keys
from stack.layout import Layout, StackRecord, load_record
from stack.parts import BY_NAME
from stack.postgres import find_binaries
from stack.processes import STATE_MARK
from stack.readiness import parts_not_healthy
from stack.river_progress import RESTING_DAGS
from stack.summary import place_rows, status_table
from stack.supervision import part_states

LOG_LINES = 20


def require_record(layout: Layout) -> StackRecord:
    """Return the record of a stack that was started at least once.

    Raises:
        InvalidInputError: it never was.
    """
    record = load_record(layout)
    if record is None:
        raise InvalidInputError(f"no stack was ever started in {layout.state}: run make up first")
    return record


def status(layout: Layout) -> int:
    """Print a table of the parts; return 0 when all are healthy, else 1."""
    screen, record = Screen(), load_record(layout)
    states = part_states(layout)
    if record is None or states is None:
        screen.say(f"Nothing is running in {layout.state}: run make up.")
        return 1
    # Which models rest follows from the timeframes.
    run_under(record.timeframes)
    keys = load_keys(layout)
    screen.console.print(status_table(record, states))
    screen.say("")
    for name, value in place_rows(layout, record, keys):
        screen.say(f"{name:<18}{value}")
    ill = parts_not_healthy(record, keys, states)
    if ill:
        names = ", ".join(ill)
        screen.say(f"[red]not healthy:[/] {names}; parts restart by themselves, see make logs")
        return 1
    with AirflowApi(record.airflow_url, keys.admin_password) as api:
        paused = api.paused_dags()
    # Those that the main job has put to rest are woken by its end, and by nobody else.
    resting = () if record.river_done else tuple(name for name in paused if name in RESTING_DAGS)
    forgotten = [name for name in paused if name not in resting]
    if forgotten:
        screen.say(f"Paused, so not running: {', '.join(forgotten)}. Unpause them in Airflow.")
    if not record.river_done:
        until = f"; until then {', '.join(resting)} rest" if resting else ""
        screen.say(f"The main job has not run to its end: run make up again{until}.")
    return 0


def env_lines(layout: Layout) -> list[str]:
    """Return shell exports for tools, and nothing else.

    Raises:
        InvalidInputError: the stack was never started.
    """
    record, keys = require_record(layout), load_keys(layout)
    values = {
        "WAREHOUSE_URL": keys.warehouse_url(record),
        "WAREHOUSE_LOADER_URL": keys.loader_url(record),
        "WAREHOUSE_READER_URL": keys.reader_url(record),
        # Where include.jobs.reproduce_fit looks; it only reads.
        "CANDLEWICK_WAREHOUSE": keys.reader_url(record),
        "AIRFLOW_URL": record.airflow_url,
        "AIRFLOW_USER": ADMIN,
        "AIRFLOW_PASSWORD": keys.admin_password,
        "SIMULATOR_URL": record.simulator_url,
        TIMEFRAMES_VARIABLE: record.timeframes,
        # bin/airflow finds this stack by it. Not STATE: that would follow a person into another
        # checkout's make up.
        STATE_MARK: str(layout.state),
    }
    return [f"export {name}={shlex.quote(value)}" for name, value in values.items()]


def psql(layout: Layout, arguments: Sequence[str], inherited: Mapping[str, str]) -> None:
    """Become the wheel's ``psql``, connected to the warehouse.

    Raises:
        InvalidInputError: the stack was never started.
    """
    record, keys = require_record(layout), load_keys(layout)
    program = str(find_binaries() / "psql")
    # The password goes by environment: arguments are visible to every user of the machine.
    url = keys.warehouse_url(record).replace(f":{keys.warehouse_password}@", "@")
    environment = {**clean_environment(inherited), "PGPASSWORD": keys.warehouse_password}
    os.execve(program, [program, "--dbname", url, *arguments], environment)  # noqa: S606 no shell


def logs(layout: Layout, names: Sequence[str]) -> None:
    """Print the last lines of the named parts' logs, of all by default.

    Raises:
        InvalidInputError: an unknown part.
    """
    unknown = [name for name in names if name not in BY_NAME]
    if unknown:
        raise InvalidInputError(f"unknown part {unknown[0]!r}: choose of {', '.join(BY_NAME)}")
    screen = Screen()
    for name in names or (*BY_NAME, "prepare", "supervisord"):
        path = layout.part_log(name)
        if not path.exists():
            continue
        screen.say(f"[bold]== {path}[/]")
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        for line in lines[-LOG_LINES:]:
            screen.console.print(line, markup=False)
