"""Laws every DAG file obeys."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DAG_FILES = sorted((ROOT / "dags").glob("*.py"))
EXPECTED = {
    "sync_reference",
    "backfill_history",
    "fetch_candles",
    "audit_history",
    "repair_gaps",
    "check_candles",
    "check_warehouse",
    "load_warehouse",
    "cascade_5m",
    "cascade_30m",
    "cascade_4h",
    "derive_features",
    "fit_channels_4h",
    "fit_channels_30m",
    "fit_channels_5m",
    "fit_channels_1m",
    "publish_report",
    "maintain_warehouse",
}
HEAVY = {
    "pandas", "numpy", "scipy", "statsmodels", "great_expectations", "matplotlib", "pyarrow",
    "aiohttp", "discord_webhook", "exchange_calendars", "numba",
}  # fmt: skip
STAGES = {"reference", "fetch", "check", "load", "cascade", "model", "report", "maintain"}
PROBE = """
import json, pathlib, runpy, sys
import airflow.sdk
loaded = {}
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.py")):
    before = set(sys.modules)
    runpy.run_path(str(path))
    loaded[path.stem] = sorted({name.partition(".")[0] for name in set(sys.modules) - before})
print(json.dumps(loaded))
"""


@pytest.fixture(scope="module")
def dags(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return every DAG, parsed in a fresh process the way the DAG processor does."""
    script = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization
bag = DagBag(sys.argv[1])
laws = {}
for dag in bag.dags.values():
    stored = DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable
    wakes = getattr(stored, "asset_condition", None)
    laws[dag.dag_id] = {
        "file": dag.fileloc, "doc": dag.doc_md or "", "tags": sorted(dag.tags),
        "max_active_runs": dag.max_active_runs, "catchup": dag.catchup,
        "start_date": dag.start_date,
        "run_types": sorted(str(t.value) for t in dag.allowed_run_types or ()),
        "callback": getattr(dag.on_failure_callback, "__name__", None),
        "timetable": type(dag.timetable).__name__,
        "assets": sorted(key.uri for key, _ in wakes.iter_assets()) if wakes else [],
        "tasks": {t.task_id: {
            "owner": t.owner, "retries": t.retries, "backoff": bool(t.retry_exponential_backoff),
            "timeout": t.execution_timeout.total_seconds() if t.execution_timeout else None,
            "outlets": [o.uri for o in t.outlets], "pool": t.pool} for t in dag.tasks},
    }
print("LAWS" + json.dumps({"errors": bag.import_errors, "dags": laws}, default=str))
"""
    done = _python(script, str(ROOT / "dags"), home=tmp_path_factory.mktemp("airflow"))
    line = next(row for row in done.splitlines() if row.startswith("LAWS"))
    found = json.loads(line.removeprefix("LAWS"))
    assert found["errors"] == {}
    return dict(found["dags"])


def test_there_are_dag_files_to_judge() -> None:
    assert DAG_FILES


def test_the_dags_are_the_ones_we_promise(dags: dict[str, Any]) -> None:
    assert set(dags) == EXPECTED


def test_a_dag_is_called_like_its_file_with_a_parameter_at_most(dags: dict[str, Any]) -> None:
    for dag_id, dag in dags.items():
        assert dag_id.startswith(Path(dag["file"]).stem), dag_id


def test_every_dag_has_its_page_its_stage_and_its_failure_callback(dags: dict[str, Any]) -> None:
    for dag_id, dag in dags.items():
        assert dag["doc"].startswith("# "), dag_id
        assert "Normal" in dag["doc"], dag_id
        assert "Triage" in dag["doc"], dag_id
        assert next(tag.removeprefix("stage:") for tag in dag["tags"]) in STAGES, dag_id
        assert dag["callback"] == "notify_failure", dag_id
        assert dag["catchup"] is False, dag_id


def test_stages_run_one_at_a_time(dags: dict[str, Any]) -> None:
    parallel = {dag_id for dag_id, dag in dags.items() if dag["max_active_runs"] != 1}
    assert parallel == {"backfill_history"}


def test_every_task_has_owner_retries_backoff_and_a_timeout(dags: dict[str, Any]) -> None:
    tasks = [
        (dag_id, name, task) for dag_id, dag in dags.items() for name, task in dag["tasks"].items()
    ]
    assert len(tasks) >= len(EXPECTED)
    for dag_id, name, task in tasks:
        assert task["owner"] == "candlewick", (dag_id, name)
        assert task["retries"] >= 3, (dag_id, name)
        assert task["backoff"], (dag_id, name)
        assert task["timeout"], (dag_id, name)


def test_the_river_is_linked_by_assets_without_a_break(dags: dict[str, Any]) -> None:
    produced = {
        dag_id: {uri for task in dag["tasks"].values() for uri in task["outlets"]}
        for dag_id, dag in dags.items()
    }
    river = [
        ("backfill_history", "check_candles"),
        ("fetch_candles", "check_candles"),
        ("check_candles", "load_warehouse"),
        ("load_warehouse", "cascade_5m"),
        ("cascade_5m", "cascade_30m"),
        ("cascade_30m", "cascade_4h"),
        ("cascade_4h", "fit_channels_4h"),
        ("cascade_5m", "derive_features"),
        ("fit_channels_4h", "publish_report"),
        ("fit_channels_4h", "fit_channels_30m"),
        ("fit_channels_30m", "fit_channels_5m"),
        ("fit_channels_5m", "fit_channels_1m"),
        ("load_warehouse", "fit_channels_1m"),
    ]
    for giver, taker in river:
        assert produced[giver] & set(dags[taker]["assets"]), (giver, taker)
        assert dags[taker]["timetable"] == "AssetOrTimeSchedule", taker


def test_only_history_can_be_backfilled(dags: dict[str, Any]) -> None:
    backfillable = {dag_id for dag_id, dag in dags.items() if "backfill" in dag["run_types"]}
    assert backfillable == {"backfill_history"}


def test_no_dag_runs_merely_because_it_appeared(dags: dict[str, Any]) -> None:
    assert {dag_id for dag_id, dag in dags.items() if dag["start_date"]} == set()


def test_only_what_asks_a_venue_holds_its_slots(dags: dict[str, Any]) -> None:
    holders = {
        dag_id
        for dag_id, dag in dags.items()
        if any(task["pool"] == "exchange_api" for task in dag["tasks"].values())
    }
    assert holders == {
        "sync_reference",
        "backfill_history",
        "fetch_candles",
        "audit_history",
        "repair_gaps",
        "check_warehouse",
    }


def test_parsing_stays_light(tmp_path: Path) -> None:
    loaded = json.loads(_python(PROBE, str(ROOT / "dags"), home=tmp_path).splitlines()[-1])
    assert set(loaded) == {path.stem for path in DAG_FILES}
    assert "include" in {name for names in loaded.values() for name in names}
    assert {stem: sorted(HEAVY & set(names)) for stem, names in loaded.items()} == {
        path.stem: [] for path in DAG_FILES
    }


@pytest.mark.parametrize("path", DAG_FILES, ids=lambda path: path.stem)
def test_a_dag_file_only_wires(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 120
    body = text.partition('"""\n')[2].upper()
    assert not [word for word in ("SELECT ", "INSERT ", "UPDATE ") if word in body]
    for function in [
        node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)
    ]:
        for node in ast.walk(function):
            assert not isinstance(node, ast.Try | ast.While), f"{function.name} decides too much"


def _python(script: str, argument: str, *, home: Path) -> str:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
    }
    done = subprocess.run(
        [sys.executable, "-c", script, argument],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
