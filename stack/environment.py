"""The environment of the stack's processes: Airflow's configuration and this stack's overrides."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from include.market.errors import InvalidInputError
from include.market.timeframe import VARIABLE as TIMEFRAMES_VARIABLE
from include.warehouse.roles import LOADER_LOGIN
from stack.airflow_settings import AirflowObjects, load_settings_file
from stack.keys import (
    ADMIN,
    WAREHOUSE_DATABASE,
    Keys,
    load_keys,
    passwords_file,
)
from stack.layout import HOST, Layout, StackRecord
from stack.parts import BY_NAME
from stack.processes import PART_MARK, STATE_MARK

SETTINGS_FILE = "airflow_settings.yaml"
VENUE = "binance_spot"
ARCHIVE = "binance_archive"
SIMULATED = (VENUE, "binance_usdm", ARCHIVE)
"""Connections that the bundled exchange answers."""
# What the caller's shell may hold that would change our interpreter, our database logins or which
# stack a process belongs to.
DROPPED_PREFIXES = ("PG", "PYTHON", "MAKE", "MFLAGS", "VIRTUAL_ENV", "CANDLEWICK_", "SUPERVISOR_")


def clean_environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the caller's environment without what could lead our processes astray.

    ``AIRFLOW_CONN_*`` and ``AIRFLOW_VAR_*`` stay: with them a person points us elsewhere.
    """
    kept = {
        name: value for name, value in inherited.items() if not name.startswith(DROPPED_PREFIXES)
    }
    for name in ("no_proxy", "NO_PROXY"):
        hosts = [host for host in kept.get(name, "").split(",") if host]
        kept[name] = ",".join(dict.fromkeys([*hosts, HOST, "localhost"]))
    return kept


def airflow_environment(layout: Layout, record: StackRecord, keys: Keys) -> dict[str, str]:
    """Return Airflow's configuration; the reasons are measured ones, see docs/decisions."""
    return {
        "AIRFLOW_HOME": str(layout.airflow_home),
        "PYTHONPATH": str(layout.root),
        "GX_ANALYTICS_ENABLED": "False",
        "MPLBACKEND": "Agg",
        TIMEFRAMES_VARIABLE: record.timeframes,
        # setproctitle would else overwrite the marks by which we know our own processes.
        "SPT_NOENV": "1",
        **_sections(
            core=_core(layout, record, keys),
            database={"SQL_ALCHEMY_CONN": keys.metadata_url(record, "+psycopg2")},
            api={
                "HOST": HOST,
                "PORT": record.port,
                "BASE_URL": record.airflow_url,
                "SECRET_KEY": keys.api_secret_key,
            },
            api_auth={"JWT_SECRET": keys.jwt_secret},
            logging={
                "BASE_LOG_FOLDER": layout.logs / "tasks",
                "DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": layout.logs / "dag_processor",
                "WORKER_LOG_SERVER_PORT": record.log_port,
                "TRIGGER_LOG_SERVER_PORT": record.trigger_log_port,
                "COLORED_CONSOLE_LOG": False,
            },
            scheduler={
                "SCHEDULER_IDLE_SLEEP_TIME": 0.3,
                "TASK_INSTANCE_HEARTBEAT_TIMEOUT": 60,
                # Without these a killed scheduler's queued tasks wait for five minutes.
                "SCHEDULER_HEALTH_CHECK_THRESHOLD": 20,
                "ORPHANED_TASKS_CHECK_INTERVAL": 15,
            },
            dag_processor={"REFRESH_INTERVAL": 10, "MIN_FILE_PROCESS_INTERVAL": 30},
            triggerer={"JOB_HEARTBEAT_SEC": 1, "TRIGGERER_HEALTH_CHECK_THRESHOLD": 6},
            workers={
                # The default holds every slot for five seconds after its task has ended.
                "MIN_HEARTBEAT_INTERVAL": 1,
                "EXECUTION_API_TIMEOUT": 20,
                "EXECUTION_API_RETRIES": 8,
            },
        ),
    }


def _core(layout: Layout, record: StackRecord, keys: Keys) -> dict[str, Any]:
    return {
        "EXECUTOR": "LocalExecutor",
        "PARALLELISM": 4,
        "DAGS_FOLDER": layout.root / "dags",
        "PLUGINS_FOLDER": layout.root / "plugins",
        "LOAD_EXAMPLES": False,
        "DAGS_ARE_PAUSED_AT_CREATION": False,
        "DEFAULT_TASK_RETRIES": 3,
        "DEFAULT_TASK_RETRY_DELAY": 5,
        "FERNET_KEY": keys.fernet_key,
        # Airflow's own default is port 8080, whatever [api] port says.
        "EXECUTION_API_SERVER_URL": f"{record.airflow_url}/execution/",
        "HOSTNAME_CALLABLE": "stack.environment.loopback_host",
        "SIMPLE_AUTH_MANAGER_USERS": f"{ADMIN}:admin",
        "SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": passwords_file(layout),
    }


def _sections(**sections: dict[str, Any]) -> dict[str, str]:
    return {
        f"AIRFLOW__{section.upper()}__{option}": str(value)
        for section, options in sections.items()
        for option, value in options.items()
    }


def loopback_host() -> str:
    """Return the name tasks are said to run on; a name lookup could hang without a network."""
    return HOST


def stack_overrides(
    layout: Layout, record: StackRecord, keys: Keys, inherited: Mapping[str, str]
) -> dict[str, str]:
    """Return the Connections and Variables of this stack, except those the caller has set."""
    declared = load_settings_file(layout.root / SETTINGS_FILE)
    overrides = {
        "AIRFLOW_CONN_WAREHOUSE": json.dumps(
            {
                "conn_type": "postgres",
                "host": HOST,
                "port": record.postgres_port,
                "login": LOADER_LOGIN,
                "password": keys.loader_password,
                "schema": WAREHOUSE_DATABASE,
            }
        ),
        "AIRFLOW_VAR_UNIVERSE": json.dumps({VENUE: list(record.symbols)}),
    }
    if record.simulated:
        for name in SIMULATED:
            # Each venue says by itself which archive is its own: who points a venue elsewhere must
            # not get the simulator's history into it.
            address = {"conn_type": "http", "host": record.simulator_url}
            extra = {"extra": {"archive": ARCHIVE}} if name != ARCHIVE else {}
            overrides[f"AIRFLOW_CONN_{name.upper()}"] = json.dumps(address | extra)
    chosen = {name: value for name, value in overrides.items() if name not in inherited}
    return {**chosen, "AIRFLOW_VAR_SETTINGS": _merged_settings(layout, declared, inherited)}


def _merged_settings(layout: Layout, declared: AirflowObjects, inherited: Mapping[str, str]) -> str:
    """Put landing zone, outbox and pages into the state folder, unless the caller says where."""
    places = {
        "landing_url": layout.landing.as_uri(),
        "outbox_dir": str(layout.outbox),
        "quality_dir": str(layout.quality),
    }
    if "AIRFLOW_VAR_SETTINGS" in inherited:
        return json.dumps({**places, **_json_object(inherited["AIRFLOW_VAR_SETTINGS"])})
    return json.dumps({**_json_object(declared.variables.get("settings", "{}")), **places})


def _json_object(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidInputError(f"Variable settings is not JSON ({error}): {text[:80]!r}") from None
    if not isinstance(document, dict):
        raise InvalidInputError(f"Variable settings must be a JSON object, was {text[:80]!r}")
    return document


def process_environment(
    layout: Layout, record: StackRecord, inherited: Mapping[str, str], part: str | None = None
) -> dict[str, str]:
    """Return the whole environment of one of Airflow's processes.

    With ``part`` the process is marked as part of this stack; a person's own command is not.
    """
    keys = load_keys(layout)
    cleaned = clean_environment(inherited)
    environment = {
        **cleaned,
        **airflow_environment(layout, record, keys),
        **stack_overrides(layout, record, keys, cleaned),
        STATE_MARK: str(layout.state),
    }
    if part is not None:
        environment[PART_MARK] = part
    if part is not None and BY_NAME[part].preloads:
        preload = layout.root / "stack" / "preload"
        environment["PYTHONPATH"] = os.pathsep.join((str(preload), str(layout.root)))
    return environment
