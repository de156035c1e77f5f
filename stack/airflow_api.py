"""The few calls of Airflow's REST API that ``make up`` needs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import requests

from include.market.errors import ContractError, SourceUnavailableError
from stack.keys import ADMIN

TIMEOUT_S = 30.0
CONFLICT = 409


class AirflowApi:
    """Airflow's REST API as its admin."""

    def __init__(self, base_url: str, password: str) -> None:
        """Remember where and who; nothing is asked yet."""
        self._base_url = base_url
        self._password = password
        self._session = requests.Session()
        # The server is on this machine: no proxy, no .netrc.
        self._session.trust_env = False

    def __enter__(self) -> AirflowApi:
        """Return the client itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close its connections."""
        self._session.close()

    def _log_in(self) -> None:
        answer = self._session.post(
            f"{self._base_url}/auth/token",
            json={"username": ADMIN, "password": self._password},
            timeout=TIMEOUT_S,
        )
        if answer.status_code >= requests.codes.internal_server_error:
            raise SourceUnavailableError(f"Airflow: HTTP {answer.status_code} for the login")
        if not answer.ok:
            raise ContractError(
                f"{self._base_url} refuses the login of {ADMIN} (HTTP {answer.status_code}): "
                "another Airflow listens on this PORT, or the password file was changed"
            )
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def _call(self, method: str, path: str, **options: Any) -> requests.Response:
        try:
            if "Authorization" not in self._session.headers:
                self._log_in()
            answer = self._ask(method, path, **options)
            if answer.status_code == requests.codes.unauthorized:
                self._log_in()
                answer = self._ask(method, path, **options)
        except requests.RequestException as error:
            raise SourceUnavailableError(
                f"Airflow at {self._base_url} does not answer ({type(error).__name__})"
            ) from None
        return answer

    def _ask(self, method: str, path: str, **options: Any) -> requests.Response:
        url = f"{self._base_url}/api/v2/{path}"
        return self._session.request(method, url, timeout=TIMEOUT_S, **options)

    def _json(self, method: str, path: str, **options: Any) -> Any:
        answer = self._call(method, path, **options)
        if answer.status_code >= requests.codes.internal_server_error:
            raise SourceUnavailableError(f"Airflow: HTTP {answer.status_code} for {path}")
        if not answer.ok:
            raise ContractError(
                f"Airflow refused {method} {path}: HTTP {answer.status_code} {answer.text[:300]}"
            )
        return answer.json()

    def health(self) -> dict[str, dict[str, Any]]:
        """Return the health of Airflow's parts; empty while the server does not answer."""
        try:
            answer = self._session.get(f"{self._base_url}/api/v2/monitor/health", timeout=TIMEOUT_S)
            document: dict[str, dict[str, Any]] = answer.json() if answer.ok else {}
        except requests.RequestException:
            return {}
        return document

    def parsed_dags(self, dag_ids: Iterable[str], since: datetime) -> set[str]:
        """Return which of ``dag_ids`` have been parsed at or after ``since``."""
        wanted = set(dag_ids)
        rows = self._json("GET", "dags", params={"limit": 100, "exclude_stale": True})["dags"]
        return {
            row["dag_id"]
            for row in rows
            if row["dag_id"] in wanted
            and row["last_parsed_time"]
            and datetime.fromisoformat(row["last_parsed_time"]) >= since
        }

    def import_errors(self, since: datetime) -> list[str]:
        """Return ``file: last line`` of each DAG file that failed to parse since then."""
        rows = self._json("GET", "importErrors", params={"limit": 20})["import_errors"]
        return [
            f"{row['filename']}: {row['stack_trace'].strip().splitlines()[-1]}"
            for row in rows
            if datetime.fromisoformat(row["timestamp"]) >= since
        ]

    def paused_dags(self) -> tuple[str, ...]:
        """Return the DAGs that the scheduler does not run, by name."""
        rows = self._json("GET", "dags", params={"limit": 100, "exclude_stale": True})["dags"]
        return tuple(sorted(row["dag_id"] for row in rows if row["is_paused"]))

    def unpause(self, dag_id: str) -> None:
        """Let the scheduler run ``dag_id``."""
        self._json("PATCH", f"dags/{dag_id}", json={"is_paused": False})

    def pause(self, dag_id: str) -> None:
        """Keep the scheduler from running ``dag_id``; runs that have begun go on."""
        self._json("PATCH", f"dags/{dag_id}", json={"is_paused": True})

    def trigger(self, dag_id: str) -> str:
        """Start a run now; return its run id."""
        body = {"logical_date": None}
        return str(self._json("POST", f"dags/{dag_id}/dagRuns", json=body)["dag_run_id"])

    def create_backfill(self, dag_id: str, first: datetime, last: datetime) -> bool:
        """Ask for a backfill of ``first`` to ``last``, both included; failed runs are run again.

        Returns False when another backfill of the DAG is not marked complete yet.
        """
        answer = self._call(
            "POST",
            "backfills",
            json={
                "dag_id": dag_id,
                "from_date": first.isoformat(),
                "to_date": last.isoformat(),
                "reprocess_behavior": "failed",
                "max_active_runs": 4,
            },
        )
        if answer.status_code == CONFLICT:
            return False
        if not answer.ok:
            raise ContractError(
                f"Airflow refused the backfill of {dag_id} from {first:%Y-%m-%d} to "
                f"{last:%Y-%m-%d}: HTTP {answer.status_code} {answer.text[:300]}"
            )
        return True

    def open_backfills(self, dag_id: str) -> list[dict[str, Any]]:
        """Return the backfills of ``dag_id`` that are not marked complete."""
        rows = self._json("GET", "backfills", params={"dag_id": dag_id, "order_by": "-id"})
        return [row for row in rows["backfills"] if row["completed_at"] is None]
