"""TIMEFRAMES of ``make up`` reaches every process, and whoever watches them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.market.errors import InvalidInputError
from include.market.timeframe import parse_chain
from stack.commands import env_lines
from stack.environment import process_environment
from stack.keys import ensure_keys
from stack.layout import Layout, StackRecord, load_record, save_record
from stack.settings import PROJECT_ROOT, asked_settings, parse_settings
from stack.up import asked_timeframes, refuse_other_settings

DEFAULT = "1m 5m 30m 4h"
WIDE = "1m 5m 15m 1h 4h 1d 1w 1M"
RECORD = StackRecord(
    source="simulator", port=18080, days=3, instruments="", seed=7, timeframes=WIDE
)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "state")
    layout.make_folders()
    ensure_keys(layout)
    return layout


def run(program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=PROJECT_ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("text", "timeframes"),
    [("", DEFAULT), (WIDE, WIDE), ("4h, 1m,5m 30m", DEFAULT), (" 1m ", "1m")],
)
def test_timeframes_have_one_spelling(text: str, timeframes: str, tmp_path: Path) -> None:
    assert parse_settings({"TIMEFRAMES": text}, tmp_path).timeframes == timeframes


@pytest.mark.parametrize(
    ("text", "words"),
    [("5m 1h", "TIMEFRAMES.*lack 1m"), ("1m 7m", "TIMEFRAMES: unknown timeframe '7m'")],
)
def test_a_chain_that_cannot_be_built_is_refused(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=words):
        parse_settings({"TIMEFRAMES": text}, tmp_path)


def test_a_running_stack_keeps_its_timeframes(tmp_path: Path) -> None:
    given = {"TIMEFRAMES": "1m 5m"}
    refuse_other_settings(parse_settings({}, tmp_path), asked_settings({}), RECORD)
    with pytest.raises(InvalidInputError, match=r"TIMEFRAMES=1m 5m 15m.*asked: 1m 5m\).*make down"):
        refuse_other_settings(parse_settings(given, tmp_path), asked_settings(given), RECORD)


def test_up_works_under_what_runs_unless_others_are_asked(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wanted(**given: str) -> str:
        given["STATE"] = str(layout.state)
        return asked_timeframes(parse_settings(given), asked_settings(given))

    assert wanted() == DEFAULT
    save_record(layout, RECORD)
    assert wanted() == DEFAULT
    monkeypatch.setattr("stack.up.part_states", lambda layout: {})
    assert wanted() == WIDE
    assert wanted(TIMEFRAMES="1m 5m") == "1m 5m"


def test_a_record_of_before_is_of_the_default_chain(layout: Layout) -> None:
    save_record(layout, RECORD)
    document = json.loads(layout.record.read_text())
    assert document.pop("timeframes") == WIDE
    layout.record.write_text(json.dumps(document))
    found = load_record(layout)
    assert found is not None
    assert found.timeframes == DEFAULT


def test_every_process_and_every_tool_is_told(layout: Layout) -> None:
    inherited = {"CANDLEWICK_TIMEFRAMES": "1m"}
    for part in ("scheduler", None):
        environment = process_environment(layout, RECORD, inherited, part)
        assert environment["CANDLEWICK_TIMEFRAMES"] == WIDE
    save_record(layout, RECORD)
    assert f"export CANDLEWICK_TIMEFRAMES='{WIDE}'" in env_lines(layout)


def test_in_containers_all_know_the_same_chain_and_the_first_start_makes_its_tables() -> None:
    services = yaml.safe_load((PROJECT_ROOT / "docker-compose.yaml").read_text())["services"]
    airflow = {name: part for name, part in services.items() if name.startswith("airflow-")}
    chains = {part["environment"]["CANDLEWICK_TIMEFRAMES"] for part in airflow.values()}
    assert len(airflow) >= 5
    assert [parse_chain(text) for text in chains] == [parse_chain(DEFAULT)]
    assert "include.warehouse.migrate" in str(airflow["airflow-init"]["command"])


ANEW = """
import os, sys
from stack.chain import run_under
from include.market.timeframe import TIMEFRAMES
print(os.getpid(), *TIMEFRAMES, flush=True)
run_under(sys.argv[1])
print("end", *TIMEFRAMES)
"""


def test_a_command_starts_anew_under_other_timeframes_and_only_then() -> None:
    told = [line.partition(" ")[2] for line in run(ANEW, WIDE).stdout.splitlines()]
    assert told == [DEFAULT, WIDE, WIDE]
    told = [line.partition(" ")[2] for line in run(ANEW, DEFAULT).stdout.splitlines()]
    assert told == [DEFAULT, DEFAULT]
    told = run(ANEW, WIDE, CANDLEWICK_TIMEFRAMES=WIDE).stdout.splitlines()
    assert len(told) == 2


def test_airflows_own_commands_run_under_the_timeframes_of_the_stack(layout: Layout) -> None:
    save_record(layout, RECORD)
    program = (
        "import stack.airflow_cli as cli, include.market.timeframe as t\n"
        "cli._run_airflow = lambda: print(*t.TIMEFRAMES)\n"
        "cli.main(['version'])"
    )
    done = run(program, STATE=str(layout.state))
    assert done.stdout == f"{WIDE}\n", done.stderr


PROGRESS = """
import json
from stack.river_progress import *
numbers = Numbers(
    unfinished_runs={}, landings={"loaded": 1}, landed_rows=44640, newest_landing=1,
    stored_rows={"candle_1m": 44640, "candle_1mo": 1}, waiting=dict.fromkeys(CURSOR_STAGES, 0),
    next_xid="900", segments=0, channels=0, publications={}, fitted_at=0.0, reported_at=0.0)
marks = Marks()
while (after := advance_marks(numbers, marks)) != marks:
    marks = after
print(json.dumps({
    "stages": STAGES, "cursors": CURSOR_STAGES, "dags": RIVER_DAGS, "marks": dict(marks.changes),
    "through": everything_through(numbers, marks),
    "notes": {name: view.note for name, view in stage_views(numbers, marks, 44640).items()}}))
"""


def watched(timeframes: str) -> dict[str, Any]:
    done = run(PROGRESS, CANDLEWICK_TIMEFRAMES=timeframes)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_the_river_is_watched_through_all_its_arms() -> None:
    found = watched(WIDE)
    arms = [f"cascade_{name}" for name in ("5m", "15m", "1h", "4h", "1d", "1w", "1mo")]
    assert found["stages"] == ["fetch", "check", "load", *arms, "channels", "report"]
    assert set(arms) < set(found["dags"])
    # Both of them read what the day wrote.
    assert found["cursors"]["cascade_1w"] == found["cursors"]["cascade_1mo"] == "candle_1d"
    assert found["cursors"]["fit_channels_4h"] == "candle_4h"
    assert set(found["marks"]) == {*arms, "fit_channels_4h"}
    assert found["through"]
    assert found["notes"]["cascade_1mo"] == "1 rows"


def test_the_river_ends_without_four_hours_to_fit_channels_on() -> None:
    found = watched("1m 1h")
    assert found["stages"] == ["fetch", "check", "load", "cascade_1h", "channels", "report"]
    assert found["through"]
