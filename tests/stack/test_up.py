from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from include.market.errors import InvalidInputError
from stack.__main__ import INTERRUPTED
from stack.down import down
from stack.layout import Layout, StackRecord
from stack.settings import PROJECT_ROOT, asked_settings, parse_settings
from stack.up import only_one, refuse_other_settings


def refuse(given: dict[str, str], running: StackRecord, root: Path) -> None:
    refuse_other_settings(parse_settings(given, root), asked_settings(given), running)


RUNNING = StackRecord(source="binance", port=9000, days=7, instruments="A,B", seed=3)


def test_what_was_not_asked_for_stays_as_it_runs(tmp_path: Path) -> None:
    refuse({}, RUNNING, tmp_path)
    refuse({"PORT": "9000", "INSTRUMENTS": "A,B", "SOURCE": "binance"}, RUNNING, tmp_path)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"SOURCE": "simulator"}, "SOURCE=binance (asked: simulator)"),
        ({"PORT": "8080"}, "PORT=9000 (asked: 8080)"),
        ({"DAYS": "30"}, "DAYS=7 (asked: 30)"),
        ({"INSTRUMENTS": "4"}, "INSTRUMENTS=A,B (asked: 4)"),
        ({"SEED": "7"}, "SEED=3 (asked: 7)"),
    ],
)
def test_another_setting_names_both_values_and_the_remedy(
    given: dict[str, str], words: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        refuse(given, RUNNING, tmp_path)
    assert words in str(caught.value)
    assert "make down" in str(caught.value)


def test_two_ups_exclude_each_other_and_a_dead_one_does_not(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "state")
    layout.make_folders()
    with (
        only_one(layout),
        pytest.raises(InvalidInputError, match=rf"pid {os.getpid()}\) is at work"),
        only_one(layout),
    ):
        pass
    (layout.run / "lock").write_text("999999\n")
    with only_one(layout):
        pass


def run_stack(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "stack", *arguments],
        cwd=PROJECT_ROOT,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"DAYS": "many"}, "DAYS='many'"),
        ({"SOURCE": "replay:/nowhere"}, "SOURCE=replay:/nowhere"),
        ({"STATE": "/proc/state"}, "STATE=/proc/state"),
    ],
)
def test_up_tells_bad_input_in_one_line(
    environment: dict[str, str], words: str, tmp_path: Path
) -> None:
    done = run_stack("up", **{"STATE": str(tmp_path / "state"), **environment})
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
    assert words in done.stderr


def test_down_and_status_of_nothing(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    down = run_stack("down", STATE=state, DAYS="nonsense")
    assert (down.returncode, down.stdout.strip()) == (0, "Nothing is running.")
    status = run_stack("status", STATE=state)
    assert status.returncode == 1
    assert "make up" in status.stdout
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("verb", ["env", "psql"])
def test_what_needs_a_stack_says_so(verb: str, tmp_path: Path) -> None:
    done = run_stack(verb, STATE=str(tmp_path / "state"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "run make up first" in done.stderr
    assert len(done.stderr.splitlines()) == 1


BLOCKED = """
import signal, threading
import stack.cli
from stack.__main__ import main

def wait(arguments):
    print("ready", flush=True)
    threading.Event().wait()

# As whoever is started in the background.
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
stack.cli.run = wait
main()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_an_up_without_a_terminal_ends_in_good_order(number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", BLOCKED],
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    _, said = process.communicate()
    assert process.returncode == INTERRUPTED
    assert said.startswith("interrupted: ")


def test_down_ends_the_up_of_its_own_state_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "stack").mkdir()
    (tmp_path / "stack" / "__main__.py").write_text(
        "import signal, threading\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "print('ready', flush=True)\n"
        "threading.Event().wait()\n"
    )
    mine, other = tmp_path / "mine", tmp_path / "other"
    with subprocess.Popen(
        [sys.executable, "-m", "stack", "up"],
        cwd=tmp_path,
        env={**os.environ, "STATE": str(mine)},
        stdout=subprocess.PIPE,
        text=True,
    ) as up:
        assert up.stdout is not None
        assert up.stdout.readline() == "ready\n"
        for state in (other, mine):
            layout = Layout(state)
            layout.make_folders()
            (layout.run / "lock").write_text(f"{up.pid}\n")
        down(Layout(other))
        assert up.poll() is None
        down(Layout(mine))
    assert up.returncode == -signal.SIGTERM
