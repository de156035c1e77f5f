"""``python -m stack.launch PART STATE``: become one part of the stack.

supervisord runs every part through here. A part that was killed may have left children behind
which hold its port or go on with its tasks; they are ended first. Then this process is replaced by
the part itself, so that supervisord watches the real thing.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import psycopg

from include.market.errors import CandlewickError, InvalidInputError
from stack.environment import clean_environment, process_environment
from stack.keys import load_keys
from stack.layout import Layout, StackRecord, load_record
from stack.parts import BY_NAME, cluster
from stack.processes import PART_MARK, STATE_MARK, end_processes, marked_processes


def end_leftovers(layout: Layout, record: StackRecord, part: str) -> None:
    """End what an earlier life of ``part`` left behind; nothing else."""
    if part == "postgres":
        cluster(layout, record).clear_way()
    end_processes(marked_processes(layout.state, part), ((signal.SIGKILL, 10.0),))


def wait_until_prepared(layout: Layout) -> StackRecord:
    """Wait, as long as it takes, until the databases are migrated and accept a login.

    An Airflow component that starts too early just ends; supervisord would then wait longer and
    longer between its tries.
    """
    while True:
        record = load_record(layout)
        if record is not None and record.ready and database_answers(layout, record):
            return record
        time.sleep(0.2)


def database_answers(layout: Layout, record: StackRecord) -> bool:
    """Tell whether Airflow's database accepts a login."""
    try:
        psycopg.connect(load_keys(layout).metadata_url(record), connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def main(arguments: list[str]) -> None:
    """Replace this process by the part named first, of the stack in the folder named second."""
    name, layout = arguments[0], Layout(Path(arguments[1]))
    record = load_record(layout)
    if record is None:
        raise InvalidInputError(f"{layout.record} is not there: run make up")
    end_leftovers(layout, record, name)
    part = BY_NAME[name]
    if name == "postgres":
        # The server may run under another account, so it is told no secret it does not need.
        kept = ("PATH", "LANG", "TMPDIR", "HOME")
        marks = {STATE_MARK: str(layout.state), PART_MARK: name}
        environment = {key: os.environ[key] for key in kept if key in os.environ} | marks
    elif part.needs_database:
        # A part that preloads uses the wait for its imports and does the waiting itself.
        record = record if part.preloads else wait_until_prepared(layout)
        environment = process_environment(layout, record, os.environ, name)
    else:
        marks = {STATE_MARK: str(layout.state), PART_MARK: name}
        environment = clean_environment(os.environ) | {"PYTHONPATH": str(layout.root)} | marks
    command = part.command(layout, record)
    os.execvpe(command[0], command, environment)  # noqa: S606 no shell wanted


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except CandlewickError as error:
        sys.exit(f"error: {error}")
