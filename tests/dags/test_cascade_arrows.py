"""One DAG per arrow of any chain, each woken by what it is built from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPT = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization
bag = DagBag(sys.argv[1])
assert not bag.import_errors, bag.import_errors
arrows = {}
for dag_id, dag in bag.dags.items():
    wakes = DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable.asset_condition
    arrows[dag_id] = [
        sorted(key.uri.rpartition("/")[2] for key, _ in wakes.iter_assets()),
        sorted(asset.uri.rpartition("/")[2] for task in dag.tasks for asset in task.outlets),
    ]
print("ARROWS" + json.dumps(arrows))
"""


def test_a_chain_may_be_a_tree(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "CANDLEWICK_TIMEFRAMES": "1m 1h 1d 1w 1M",
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(ROOT / "dags/cascade.py")],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    line = next(row for row in done.stdout.splitlines() if row.startswith("ARROWS"))
    assert json.loads(line.removeprefix("ARROWS")) == {
        "cascade_1h": [["candle_1m"], ["candle_1h"]],
        "cascade_1d": [["candle_1h"], ["candle_1d"]],
        "cascade_1w": [["candle_1d"], ["candle_1w"]],
        "cascade_1mo": [["candle_1d"], ["candle_1mo"]],
    }
