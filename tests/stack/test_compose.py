"""What compose gives to whom, and the script that makes its roles."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from include.warehouse.migrate import upgrade
from include.warehouse.roles import main as make_roles
from stack.airflow_settings import load_settings_file
from stack.postgres import EmbeddedPostgres, find_binaries
from stack.settings import PROJECT_ROOT
from tests.support.postgres import free_port

COMPOSE: dict[str, Any] = yaml.safe_load((PROJECT_ROOT / "docker-compose.yaml").read_text())
AIRFLOW = {name: part for name, part in COMPOSE["services"].items() if name.startswith("airflow-")}
SCRIPT = COMPOSE["configs"]["roles_and_databases"]["content"]


@pytest.fixture
def server() -> Iterator[EmbeddedPostgres]:
    folder = Path(tempfile.mkdtemp(prefix="candlewick-test-"))
    server = EmbeddedPostgres(folder / "data", free_port(), durable=False)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


def test_only_who_migrates_knows_the_owner() -> None:
    assert len(AIRFLOW) >= 5
    knowing = {
        name for name, part in AIRFLOW.items() if "POSTGRES_PASSWORD" in str(part["environment"])
    }
    assert knowing == {"airflow-init"}


def test_every_airflow_service_logs_in_as_the_jobs_do() -> None:
    for name, part in AIRFLOW.items():
        connection = part["environment"]["AIRFLOW_CONN_WAREHOUSE"]
        assert connection.startswith("postgres://candlewick_jobs:${LOADER_PASSWORD"), name
    declared = load_settings_file(PROJECT_ROOT / "airflow_settings.yaml").connections["warehouse"]
    assert isinstance(declared, dict)
    assert declared["login"] == "candlewick_jobs"


def test_the_script_and_the_first_start_make_roles_that_can_work(
    server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server.connect() as connection:
        connection.execute("CREATE DATABASE warehouse")
    script = re.sub(r"\$\{(\w+)[^}]*\}", lambda found: f"secret-{found[1]}", SCRIPT)
    psql = [str(find_binaries() / "psql"), "--set=ON_ERROR_STOP=1", server.dsn("warehouse")]
    subprocess.run(psql, input=script, text=True, check=True, capture_output=True)

    monkeypatch.setenv("WAREHOUSE_URL", server.dsn("warehouse"))
    monkeypatch.setenv("LOADER_PASSWORD", "secret-LOADER_PASSWORD")
    monkeypatch.setenv("READER_PASSWORD", "secret-READER_PASSWORD")
    make_roles()
    upgrade(server.dsn("warehouse"))
    place = f"127.0.0.1:{server.port}"
    with psycopg.connect(
        f"postgresql://candlewick_jobs:secret-LOADER_PASSWORD@{place}/warehouse"
    ) as jobs:
        jobs.execute("INSERT INTO market.asset (code) VALUES ('BTC')")
        jobs.execute(
            "SELECT market.ensure_partitions('market.candle_1m', '2024-01-01Z', '2024-02-01Z')"
        )
    with psycopg.connect(
        f"postgresql://candlewick_viewer:secret-READER_PASSWORD@{place}/warehouse"
    ) as viewer:
        assert viewer.execute("SELECT code FROM market.asset").fetchall() == [("BTC",)]
    with psycopg.connect(
        f"postgresql://airflow:secret-AIRFLOW_DATABASE_PASSWORD@{place}/airflow"
    ) as airflow:
        airflow.execute("CREATE TABLE dag_run (n integer)")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(f"postgresql://airflow:secret-AIRFLOW_DATABASE_PASSWORD@{place}/warehouse")
