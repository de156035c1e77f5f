"""The parts of the stack: what each one runs and in which order they come up."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

from stack.layout import HOST, Layout, StackRecord
from stack.postgres import EmbeddedPostgres

Command = Callable[[Layout, StackRecord], list[str]]


@dataclass(frozen=True, slots=True)
class Part:
    """One supervised process.

    ``stop_seconds`` is how long it may take to end before it is killed with its whole group.
    A part that ``preloads`` has ``stack/preload`` on its path.
    """

    name: str
    priority: int
    command: Command
    port: Callable[[StackRecord], int] | None = None
    needs_database: bool = False
    preloads: bool = False
    stop_signal: str = "TERM"
    stop_seconds: int = 15


def cluster(layout: Layout, record: StackRecord) -> EmbeddedPostgres:
    """Return the PostgreSQL cluster of a state folder."""
    return EmbeddedPostgres(
        layout.postgres_data,
        record.postgres_port,
        password_file=layout.secrets / "postgres_password",
    )


def _postgres(layout: Layout, record: StackRecord) -> list[str]:
    return cluster(layout, record).command()


def _simulator(layout: Layout, record: StackRecord) -> list[str]:
    command = [sys.executable, "-m", "include.simulator", "--host", HOST]
    command += ["--port", str(record.simulator_port), "--seed", str(record.seed)]
    kind, _, path = record.source.partition(":")
    if kind == "replay":
        command += ["--engine", "replay", "--replay-path", path]
    else:
        command += ["--engine", "synthetic"]
    # A replay offers what was recorded; which of it to follow is chosen once it has told.
    return command if kind == "replay" else [*command, "--instruments", ",".join(record.symbols)]


def _airflow(*arguments: str) -> Command:
    def command(layout: Layout, record: StackRecord) -> list[str]:
        return [sys.executable, "-m", "airflow", *arguments]

    return command


# Airflow's own log servers listen on every address; the UI reads the same files without them.
AIRFLOW_PARTS = (
    Part(
        "api-server",
        30,
        _airflow("api-server", "--host", HOST),
        port=lambda record: record.port,
        needs_database=True,
    ),
    Part(
        "scheduler",
        40,
        _airflow("scheduler", "--skip-serve-logs"),
        needs_database=True,
        preloads=True,
        stop_seconds=30,
    ),
    Part("dag-processor", 40, _airflow("dag-processor"), needs_database=True),
    Part("triggerer", 40, _airflow("triggerer", "--skip-serve-logs"), needs_database=True),
)
PARTS = (
    Part(
        "postgres",
        10,
        _postgres,
        port=lambda record: record.postgres_port,
        stop_signal="INT",
        stop_seconds=60,
    ),
    Part("simulator", 20, _simulator, port=lambda record: record.simulator_port),
    *AIRFLOW_PARTS,
)
BY_NAME = {part.name: part for part in PARTS}


def parts_of(record: StackRecord) -> tuple[Part, ...]:
    """Return the parts this stack consists of, in starting order."""
    return tuple(part for part in PARTS if part.name != "simulator" or record.simulated)
