from __future__ import annotations

import configparser
import os
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from stack import supervision
from stack.keys import ensure_keys
from stack.launch import end_leftovers
from stack.layout import Layout, StackRecord, save_record
from stack.parts import AIRFLOW_PARTS, cluster, parts_of
from stack.processes import PART_MARK, STATE_MARK, find_process
from tests.support.ports import free_ports

RECORD = StackRecord(
    source="simulator", port=18080, days=3, instruments="", seed=7, symbols=("BTCUSDT",)
)


def parsed(layout: Layout, record: StackRecord = RECORD) -> configparser.RawConfigParser:
    config = configparser.RawConfigParser()
    config.read_string(supervision.render_config(layout, record))
    return config


def test_every_part_is_restarted_with_its_whole_group(tmp_path: Path) -> None:
    config = parsed(Layout(tmp_path))
    programs = {name: config[name] for name in config if name.startswith("program:")}
    assert set(programs) == {f"program:{part.name}" for part in parts_of(RECORD)}
    for name, program in programs.items():
        assert (program["autorestart"], program["killasgroup"]) == ("true", "true")
        assert program["stopasgroup"] == ("false" if name == "program:postgres" else "true")
        assert program["stdout_logfile"] == str(tmp_path / "logs" / f"{name[8:]}.log")
        assert int(program["stdout_logfile_backups"]) > 0
    assert programs["program:postgres"]["stopsignal"] == "INT"
    priorities = [int(programs[f"program:{part.name}"]["priority"]) for part in parts_of(RECORD)]
    assert priorities == sorted(priorities)
    assert config["unix_http_server"]["chmod"] == "0600"
    assert config["supervisord"]["umask"] == "077"
    assert not any("password" in text or "AIRFLOW" in text for text in config_values(config))


def config_values(config: configparser.RawConfigParser) -> list[str]:
    return [value for section in config for value in config[section].values()]


def test_binance_needs_no_simulator(tmp_path: Path) -> None:
    config = parsed(Layout(tmp_path), RECORD.with_changes(source="binance"))
    assert "program:simulator" not in config
    assert len(parts_of(RECORD.with_changes(source="binance"))) == 1 + len(AIRFLOW_PARTS)


def test_a_path_with_percent_and_blanks_is_quoted(tmp_path: Path) -> None:
    config = parsed(Layout(tmp_path / "50% of it"))
    command = config["program:scheduler"]["command"]
    assert command.endswith(f"scheduler '{tmp_path}/50%% of it'")
    assert "50%% of it" in config["supervisord"]["pidfile"]


def test_a_simulator_is_told_what_to_serve(tmp_path: Path) -> None:
    simulator = next(part for part in parts_of(RECORD) if part.name == "simulator")
    command = simulator.command(Layout(tmp_path), RECORD)
    assert command[-2:] == ["--instruments", "BTCUSDT"]
    assert command[command.index("--seed") + 1] == "7"
    replay = simulator.command(Layout(tmp_path), RECORD.with_changes(source="replay:/a:b"))
    assert replay[-4:] == ["--engine", "replay", "--replay-path", "/a:b"]


@pytest.fixture
def layout() -> Iterator[Layout]:
    """A state folder with a cluster, under supervision, and nothing else of the stack."""
    folder = Path(tempfile.mkdtemp(prefix="candlewick-test-"))
    layout = Layout(folder / "state")
    layout.make_folders()
    ensure_keys(layout)
    record = save_record(layout, RECORD.with_changes(port=free_ports(2)))
    cluster(layout, record).initialise()
    supervision.start_supervisor(layout, record, os.environ)
    try:
        yield layout
    finally:
        supervision.stop_everything(layout)
        shutil.rmtree(folder, ignore_errors=True)


def postgres_of(layout: Layout) -> psutil.Process | None:
    return cluster(layout, RECORD).running_process()


def is_ready(layout: Layout) -> bool:
    """Tell whether the server says in its lock file that it takes logins."""
    try:
        lock = (cluster(layout, RECORD).data_dir / "postmaster.pid").read_text()
    except FileNotFoundError:
        return False
    return lock.rstrip().endswith("ready")


def wait_for(question: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300
    while not question():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_killed_part_heals_and_a_killed_supervisor_leaves_nothing(layout: Layout) -> None:
    socket_mode = stat.S_IMODE(layout.supervisor_socket.stat().st_mode)
    assert socket_mode & 0o077 == 0
    states = supervision.part_states(layout)
    assert states is not None
    assert not any(state.running for state in states.values())

    supervision.start_parts(layout, ["postgres", "postgres"])
    wait_for(lambda: postgres_of(layout) is not None)
    first = postgres_of(layout)
    assert first is not None
    first.kill()
    wait_for(lambda: postgres_of(layout) not in (None, first))
    # A server that starts beside the last of its predecessor's processes gives up, and is started
    # again: only one that answers stays.
    wait_for(lambda: is_ready(layout))

    second, supervisor = postgres_of(layout), supervision.supervisor_process(layout)
    assert second is not None
    assert supervisor is not None
    supervisor.kill()
    wait_for(lambda: supervision.supervisor_process(layout) is None)
    assert supervision.part_states(layout) is None
    assert second.is_running()
    assert supervision.stop_everything(layout) == ["postgres"]
    assert find_process(second.pid) is None
    assert supervision.stop_everything(layout) == []


def test_a_stale_pid_file_never_costs_a_foreign_process_its_life(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "state")
    layout.make_folders()
    foreign = subprocess.Popen(["sleep", "600"])
    try:
        layout.supervisor_pid.write_text(f"{foreign.pid}\n")
        assert supervision.supervisor_process(layout) is None
        assert supervision.stop_everything(layout) == []
        assert foreign.poll() is None
    finally:
        foreign.kill()
        foreign.wait()


def test_a_starting_part_ends_what_its_earlier_life_left(tmp_path: Path) -> None:
    marks = {**os.environ, STATE_MARK: str(tmp_path), PART_MARK: "scheduler"}
    leftover = subprocess.Popen(["sleep", "600"], env=marks, start_new_session=True)
    other = subprocess.Popen(["sleep", "600"], env={**marks, PART_MARK: "triggerer"})
    try:
        end_leftovers(Layout(tmp_path), RECORD, "scheduler")
        assert leftover.wait(timeout=300) == -9
        assert other.poll() is None
    finally:
        for process in (leftover, other):
            process.kill()
            process.wait()
