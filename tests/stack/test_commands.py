from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from include.market.errors import InvalidInputError
from stack import commands
from stack.keys import ensure_keys
from stack.layout import Layout, StackRecord, save_record
from stack.settings import PROJECT_ROOT

RECORD = StackRecord(source="simulator", port=18080, days=3, instruments="", seed=7)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "a state with blanks")
    layout.make_folders()
    save_record(layout, RECORD)
    ensure_keys(layout)
    return layout


def test_a_shell_can_evaluate_the_exports(layout: Layout) -> None:
    keys = ensure_keys(layout)
    text = "\n".join(commands.env_lines(layout))
    names = ("WAREHOUSE_URL", "WAREHOUSE_LOADER_URL", "WAREHOUSE_READER_URL", "AIRFLOW_URL")
    names += ("AIRFLOW_USER", "AIRFLOW_PASSWORD", "SIMULATOR_URL")
    asked = " ".join(f'"${name}"' for name in (*names, "CANDLEWICK_STATE"))
    done = subprocess.run(
        ["/bin/sh", "-c", f"{text}\nprintf '%s\\n' {asked}"],
        env={},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        f"postgresql://candlewick:{keys.warehouse_password}@127.0.0.1:18081/warehouse",
        f"postgresql://candlewick_jobs:{keys.loader_password}@127.0.0.1:18081/warehouse",
        f"postgresql://candlewick_viewer:{keys.reader_password}@127.0.0.1:18081/warehouse",
        "http://127.0.0.1:18080",
        "admin",
        keys.admin_password,
        "http://127.0.0.1:18082",
        str(layout.state),
    ]
    assert all(line.startswith("export ") for line in text.splitlines())
    assert all(len(shlex.split(line)) == 2 for line in text.splitlines())


def test_an_unknown_part_has_no_log(layout: Layout) -> None:
    with pytest.raises(InvalidInputError, match=r"unknown part 'redis': choose of postgres"):
        commands.logs(layout, ["redis"])


def test_logs_show_the_last_lines_unchanged(
    layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    layout.part_log("scheduler").write_text("".join(f"[red]line {n}\n" for n in range(100)))
    commands.logs(layout, ["scheduler"])
    shown = capsys.readouterr().out
    assert "[red]line 99" in shown
    assert "line 79" not in shown


def airflow(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(PROJECT_ROOT / "bin" / "airflow"), "dags", "list"],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(
    not (PROJECT_ROOT / ".venv" / "bin" / "python").exists(), reason="made by make only"
)
def test_the_airflow_command_says_what_is_missing(layout: Layout, tmp_path: Path) -> None:
    never = airflow(STATE=str(tmp_path / "never"))
    assert (never.returncode, never.stdout) == (1, "")
    assert "no stack was ever started" in never.stderr
    assert len(never.stderr.splitlines()) == 1
    down = airflow(CANDLEWICK_STATE=str(layout.state))
    assert (down.returncode, down.stdout) == (1, "")
    assert "PostgreSQL on 127.0.0.1:18081 does not answer: run make up" in down.stderr
    assert len(down.stderr.splitlines()) == 1


def test_the_airflow_command_without_venv_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    copy = tmp_path / "bin" / "airflow"
    copy.write_bytes((PROJECT_ROOT / "bin" / "airflow").read_bytes())
    copy.chmod(0o755)
    done = subprocess.run([copy, "version"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "run make up" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("paused", "done", "said", "unsaid"),
    [
        ((), True, "", "Paused"),
        (("fit_channels_1m",), True, "running: fit_channels_1m. Unpause them in Air", "make up"),
        (("fit_channels_1m",), False, "again; until then fit_channels_1m rest.", "Unpause"),
        (("fetch_candles",), False, "running: fetch_candles. Unpause", "until then"),
        ((), False, "run make up again.", "Paused"),
    ],
)
def test_status_names_what_is_paused_and_the_remedy(
    layout: Layout,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    paused: tuple[str, ...],
    done: bool,
    said: str,
    unsaid: str,
) -> None:
    save_record(layout, RECORD.with_changes(river_done=done))
    monkeypatch.setattr(commands, "part_states", lambda layout: {})
    monkeypatch.setattr(commands, "parts_not_healthy", lambda record, keys, states: [])
    monkeypatch.setattr(commands.AirflowApi, "paused_dags", lambda api: paused)
    assert commands.status(layout) == 0
    words = " ".join(capsys.readouterr().out.split())
    assert said in words
    assert unsaid not in words
