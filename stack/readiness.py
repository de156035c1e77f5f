"""Waiting until a part can really be used: always a question asked of it, never a pause."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from include.market.errors import ContractError, InvalidInputError, SourceUnavailableError
from stack.airflow_api import AirflowApi
from stack.keys import Keys
from stack.layout import Layout, StackRecord
from stack.river_progress import RIVER_DAGS
from stack.supervision import PartState, part_states

POLL_S = 0.25
RECENTLY = timedelta(minutes=1)
HEARTBEATS = {
    "scheduler": "latest_scheduler_heartbeat",
    "triggerer": "latest_triggerer_heartbeat",
    "dag_processor": "latest_dag_processor_heartbeat",
}


def wait_until(
    question: Callable[[], str | None], layout: Layout, part: str, timeout_s: float
) -> None:
    """Return once ``question`` returns None; else it says what is still missing.

    Raises:
        SourceUnavailableError: ``part`` gave up, or the time is over; names its log.
    """
    deadline = time.monotonic() + timeout_s
    while (missing := question()) is not None:
        states = part_states(layout) or {}
        if part in states and states[part].state == "FATAL":
            raise SourceUnavailableError(
                f"{part} does not start: {last_words(layout, part)} (see {layout.part_log(part)})"
            )
        if time.monotonic() > deadline:
            raise SourceUnavailableError(
                f"{missing} after {timeout_s:.0f} s: {last_words(layout, part)} "
                f"(see {layout.part_log(part)})"
            )
        time.sleep(POLL_S)


def last_words(layout: Layout, part: str) -> str:
    """Return the last line a part logged."""
    try:
        lines = layout.part_log(part).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "it has logged nothing"
    return next((line.strip() for line in reversed(lines) if line.strip()), "it logged nothing")


def simulator_info(record: StackRecord) -> dict[str, Any] | None:
    """Return what the bundled exchange says of itself; None while it does not answer."""
    session = requests.Session()
    session.trust_env = False
    try:
        answer = session.get(f"{record.simulator_url}/sim/info", timeout=10)
        document = answer.json() if answer.ok else None
    except requests.RequestException:
        return None
    return document if isinstance(document, dict) else None


def wait_for_simulator(layout: Layout, record: StackRecord) -> dict[str, Any]:
    """Return the bundled exchange's description once it answers.

    Raises:
        SourceUnavailableError: it does not, or describes no range of data.
    """
    found: dict[str, Any] = {}

    def question() -> str | None:
        found.update(simulator_info(record) or {})
        return None if found else f"the exchange at {record.simulator_url} does not answer"

    wait_until(question, layout, "simulator", 120)
    first, last = found.get("data_from_ms"), found.get("data_to_ms")
    if not isinstance(first, int) or not isinstance(last, int) or last <= first:
        raise SourceUnavailableError(
            f"the exchange at {record.simulator_url} offers no data: {found}"
        )
    return found


def unhealthy_parts(
    health: Mapping[str, Mapping[str, Any]],
    since: datetime,
    started: Mapping[str, datetime] | None = None,
) -> list[str]:
    """Return which of Airflow's parts have not reported healthy at or after ``since``.

    Nor does a heartbeat count from before its part ``started``: it is a dead process's last one.
    """
    missing = []
    if health.get("metadatabase", {}).get("status") != "healthy":
        missing.append("api-server")
    for key, heartbeat in HEARTBEATS.items():
        part, report = key.replace("_", "-"), health.get(key, {})
        beat = report.get(heartbeat)
        earliest = max(since, (started or {}).get(part, since))
        fresh = beat is not None and datetime.fromisoformat(beat) >= earliest
        if report.get("status") != "healthy" or not fresh:
            missing.append(part)
    return missing


def wait_for_airflow(layout: Layout, api: AirflowApi, since: datetime) -> None:
    """Return once every Airflow part is healthy and all DAGs have been parsed.

    Raises:
        SourceUnavailableError: a part does not come up.
        InvalidInputError: a DAG file cannot be imported.
    """

    def health() -> str | None:
        missing = unhealthy_parts(api.health(), since)
        return f"{', '.join(missing)} not healthy" if missing else None

    def parsed() -> str | None:
        try:
            errors = api.import_errors(since)
            missing = set(RIVER_DAGS) - api.parsed_dags(RIVER_DAGS, since)
        except (SourceUnavailableError, ContractError) as error:
            return str(error)
        if errors:
            raise InvalidInputError(f"DAG file {errors[0]}")
        return f"DAGs {', '.join(sorted(missing))} not parsed" if missing else None

    wait_until(health, layout, "api-server", 240)
    wait_until(parsed, layout, "dag-processor", 240)


def parts_not_healthy(
    record: StackRecord, keys: Keys, states: Mapping[str, PartState]
) -> list[str]:
    """Return the names of the parts that cannot be used right now."""
    now = datetime.now(UTC)
    # A second of slack, for supervisord counts whole seconds.
    started = {name: now - timedelta(seconds=state.uptime_s + 1) for name, state in states.items()}
    missing = {name for name, state in states.items() if not state.running}
    with AirflowApi(record.airflow_url, keys.admin_password) as api:
        missing.update(unhealthy_parts(api.health(), now - RECENTLY, started))
    return sorted(missing)
