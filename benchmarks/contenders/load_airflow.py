"""Airflow's own hook: ``PostgresHook.insert_rows`` with its defaults, into ``public.bare``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# Airflow reads its settings when it is imported.
HOME = f"{sys.argv[3]}/airflow"
os.environ |= {
    "AIRFLOW_HOME": HOME,
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME}/airflow.db",
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
}

from airflow.providers.postgres.hooks.postgres import PostgresHook  # noqa: E402, TID251
from airflow.sdk import Connection  # noqa: E402, TID251
from load_source import COLUMNS, records, run  # noqa: E402


def by_insert_rows(dsn: str, folder: Path, limit: int) -> None:
    """Hand the hook an iterator of rows."""
    hook = PostgresHook(connection=Connection.from_uri(dsn, conn_id="bench"))
    hook.insert_rows("public.bare", records(folder, limit), target_fields=list(COLUMNS))


if __name__ == "__main__":
    run({"insert_rows": by_insert_rows})
