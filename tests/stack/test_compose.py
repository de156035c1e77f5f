"""What compose gives to whom, and the script that makes its roles."""

from __future__ import annotations

import json
import os
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
from stack.environment import airflow_environment
from stack.keys import ensure_keys
from stack.layout import Layout, StackRecord
from stack.postgres import COMMON_SETTINGS, EmbeddedPostgres, find_binaries
from stack.settings import PROJECT_ROOT
from tests.support.ports import free_port

COMPOSE: dict[str, Any] = yaml.safe_load((PROJECT_ROOT / "docker-compose.yaml").read_text())
AIRFLOW = {name: part for name, part in COMPOSE["services"].items() if name.startswith("airflow-")}
SCRIPT = COMPOSE["configs"]["roles_and_databases"]["content"]
# What the embedded stack sets and compose sets otherwise: places, addresses, secrets, and what is
# as many as there are cores.
OTHERWISE = frozenset(
    {
        *("AIRFLOW_HOME", "PYTHONPATH", "SPT_NOENV", "AIRFLOW__CORE__PARALLELISM"),
        *("AIRFLOW__CORE__DAGS_FOLDER", "AIRFLOW__CORE__PLUGINS_FOLDER"),
        *("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", "AIRFLOW__CORE__HOSTNAME_CALLABLE"),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE",
        *("AIRFLOW__CORE__FERNET_KEY", "AIRFLOW__API__SECRET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
        *("AIRFLOW__API__HOST", "AIRFLOW__API__PORT", "AIRFLOW__API__BASE_URL"),
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER",
        "AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT",
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT",
    }
)
# The embedded server shares its machine with everything else, and has a log of its own.
OTHERWISE_IN_POSTGRES = {"shared_buffers", "huge_pages", "log_timezone", "log_line_prefix"}


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


def test_airflow_is_configured_as_in_the_embedded_stack(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.make_folders()
    record = StackRecord(source="simulator", port=18080, days=3, instruments="", seed=7)
    embedded = airflow_environment(layout, record, ensure_keys(layout))
    assert set(embedded) >= OTHERWISE
    for name, part in AIRFLOW.items():
        given = {key: str(value) for key, value in part["environment"].items()}
        wanted = {key: value for key, value in embedded.items() if key not in OTHERWISE}
        assert {key: given.get(key) for key in wanted} == wanted, name
        host, port, _ = COMPOSE["services"]["airflow-api-server"]["ports"][0].split(":")
        assert given["AIRFLOW__API__BASE_URL"] == f"http://{host}:{port}"


def test_postgres_is_configured_as_in_the_embedded_stack() -> None:
    command = COMPOSE["services"]["postgres"]["command"]
    given = dict(word.split("=", 1) for word in command[2::2])
    assert command[1::2] == ["-c"] * len(given)
    wanted = {
        key: text for key, text in COMMON_SETTINGS.items() if key not in OTHERWISE_IN_POSTGRES
    }
    assert {key: given.get(key) for key in wanted} == wanted


def test_what_is_written_goes_where_a_read_only_container_can_be_written() -> None:
    prepared = (PROJECT_ROOT / "Dockerfile").read_text()
    for name, part in AIRFLOW.items():
        assert part["read_only"], name
        # Compose copies a config into the root, which the engine refuses for a read-only one.
        assert "configs" not in part, name
        volumes = [volume.split(":")[1] for volume in part["volumes"]]
        # A new volume belongs to root unless the image has the folder.
        assert all(f" {folder}" in prepared for folder in volumes), name
        writable = (*volumes, *part["tmpfs"])
        environment = part["environment"]
        for key in ("AIRFLOW_CONFIG", "MPLCONFIGDIR", "NUMBA_CACHE_DIR"):
            assert environment[key].startswith(writable), (name, key)
        passwords = environment["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"]
        assert passwords.startswith(tuple(part["tmpfs"])), name


def test_the_api_server_finds_the_password_it_was_given(tmp_path: Path) -> None:
    part = AIRFLOW["airflow-api-server"]
    passwords = tmp_path / "passwords.json"
    named = part["environment"]["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"]
    assert part["command"][:2] == ["bash", "-c"]
    script = part["command"][2].replace("$$", "$").replace(named, str(passwords))
    airflow = tmp_path / "airflow"
    airflow.write_text('#!/bin/sh\nprintf "%s, %s" "$*" "${ADMIN_PASSWORD-no password}"\n')
    airflow.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.defpath}", "ADMIN_PASSWORD": "a-b_c"}
    done = subprocess.run(
        ["bash", "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "api-server, no password"
    assert json.loads(passwords.read_text()) == {"admin": "a-b_c"}
    assert passwords.stat().st_mode & 0o777 == 0o600


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
