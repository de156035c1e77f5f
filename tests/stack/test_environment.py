from __future__ import annotations

import json
from pathlib import Path

import pytest

from include.market.settings import parse_settings as parse_tunables
from include.market.universe import parse_universe
from stack.environment import clean_environment, process_environment, stack_overrides
from stack.keys import Keys, ensure_keys
from stack.layout import Layout, StackRecord
from stack.processes import PART_MARK, STATE_MARK

RECORD = StackRecord(
    source="simulator", port=18080, days=3, instruments="", seed=7, symbols=("BTCUSDT", "ETHUSDT")
)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "state")
    layout.make_folders()
    return layout


def test_the_execution_api_follows_the_port(layout: Layout) -> None:
    keys = ensure_keys(layout)
    environment = process_environment(layout, RECORD, {}, "scheduler")
    assert environment["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == (
        "http://127.0.0.1:18080/execution/"
    )
    assert environment["AIRFLOW__API__PORT"] == "18080"
    assert environment["AIRFLOW__API__HOST"] == "127.0.0.1"
    url = environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    assert url == keys.metadata_url(RECORD, "+psycopg2")
    assert url.startswith("postgresql+psycopg2://airflow:")
    assert url.endswith("@127.0.0.1:18081/airflow")


def test_only_the_scheduler_preloads_and_only_parts_are_marked(layout: Layout) -> None:
    ensure_keys(layout)
    root = str(layout.root)
    scheduler = process_environment(layout, RECORD, {}, "scheduler")
    assert scheduler["PYTHONPATH"].split(":") == [f"{root}/stack/preload", root]
    triggerer = process_environment(layout, RECORD, {}, "triggerer")
    assert triggerer["PYTHONPATH"] == root
    assert triggerer[PART_MARK] == "triggerer"
    person = process_environment(layout, RECORD, {PART_MARK: "scheduler"})
    assert PART_MARK not in person
    assert person[STATE_MARK] == str(layout.state)


def test_the_overrides_point_at_this_stack(layout: Layout) -> None:
    keys = Keys()
    overrides = stack_overrides(layout, RECORD, keys, {})
    warehouse = json.loads(overrides["AIRFLOW_CONN_WAREHOUSE"])
    assert (warehouse["host"], warehouse["port"]) == ("127.0.0.1", 18081)
    assert (warehouse["login"], warehouse["password"]) == ("candlewick_jobs", keys.loader_password)
    exchange = json.loads(overrides["AIRFLOW_CONN_BINANCE_SPOT"])
    assert exchange["host"] == "http://127.0.0.1:18082"
    assert exchange["extra"] == {"archive": "binance_archive"}
    archive = json.loads(overrides["AIRFLOW_CONN_BINANCE_ARCHIVE"])
    assert archive == {"conn_type": "http", "host": "http://127.0.0.1:18082"}
    universe = parse_universe(overrides["AIRFLOW_VAR_UNIVERSE"])
    assert list(universe) == [("binance_spot", "BTCUSDT"), ("binance_spot", "ETHUSDT")]
    tunables = parse_tunables(overrides["AIRFLOW_VAR_SETTINGS"])
    assert tunables.landing_url == f"file://{layout.landing}"
    assert tunables.outbox_dir == str(layout.outbox)
    assert tunables.quality_dir == str(layout.quality)
    assert layout.quality.is_dir()


def test_binance_keeps_the_declared_connection(layout: Layout) -> None:
    overrides = stack_overrides(layout, RECORD.with_changes(source="binance"), Keys(), {})
    assert "AIRFLOW_CONN_BINANCE_SPOT" not in overrides


def test_the_callers_own_objects_win(layout: Layout) -> None:
    ensure_keys(layout)
    given = {
        "AIRFLOW_CONN_BINANCE_SPOT": "http://other.example",
        "AIRFLOW_VAR_UNIVERSE": '{"binance_spot": ["XRPUSDT"]}',
        "AIRFLOW_VAR_SETTINGS": '{"batch_days": 2, "landing_url": "memory://x"}',
    }
    environment = process_environment(layout, RECORD, given, "scheduler")
    assert environment["AIRFLOW_CONN_BINANCE_SPOT"] == "http://other.example"
    assert environment["AIRFLOW_VAR_UNIVERSE"] == given["AIRFLOW_VAR_UNIVERSE"]
    tunables = parse_tunables(environment["AIRFLOW_VAR_SETTINGS"])
    assert (tunables.batch_days, tunables.landing_url) == (2, "memory://x")
    assert tunables.outbox_dir == str(layout.outbox)


def test_the_callers_shell_cannot_lead_us_astray() -> None:
    cleaned = clean_environment(
        {
            "PATH": "/bin",
            "PGPASSWORD": "x",
            "PGSERVICE": "x",
            "PYTHONPATH": "/x",
            "PYTHONHOME": "/x",
            "MAKEFLAGS": "x",
            PART_MARK: "scheduler",
            "AIRFLOW_VAR_X": "kept",
            "http_proxy": "http://proxy:3128",
            "no_proxy": "example.org",
        }
    )
    assert cleaned == {
        "PATH": "/bin",
        "AIRFLOW_VAR_X": "kept",
        "http_proxy": "http://proxy:3128",
        "no_proxy": "example.org,127.0.0.1,localhost",
        "NO_PROXY": "127.0.0.1,localhost",
    }
