"""``make up``: from nothing, or from whatever an interrupted try left, to a finished main job."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

from include.market.errors import InvalidInputError, SourceUnavailableError
from stack import river
from stack.airflow_api import AirflowApi
from stack.console import Screen
from stack.environment import SETTINGS_FILE, process_environment
from stack.keys import (
    AIRFLOW_DATABASE,
    AIRFLOW_ROLE,
    WAREHOUSE_DATABASE,
    WAREHOUSE_ROLE,
    Keys,
    ensure_keys,
)
from stack.layout import Layout, StackRecord, load_record, save_record
from stack.parts import AIRFLOW_PARTS, cluster
from stack.preflight import check_all, check_folder, check_python
from stack.readiness import RECENTLY, parts_not_healthy, wait_for_airflow, wait_for_simulator
from stack.settings import COMPARED, StackSettings, choose_symbols, parse_settings
from stack.summary import status_table, summary_table
from stack.supervision import (
    part_states,
    start_parts,
    start_supervisor,
    stop_everything,
)


def refuse_other_settings(
    settings: StackSettings, asked: frozenset[str], running: StackRecord
) -> None:
    """Refuse to go on when a setting was asked for that the running stack does not have.

    Raises:
        InvalidInputError: names each such setting, both values and the remedy.
    """
    wanted = StackRecord.from_settings(settings)
    differing = [
        f"{name}={getattr(running, name.lower())} (asked: {getattr(wanted, name.lower())})"
        for name in COMPARED
        if name in asked and getattr(running, name.lower()) != getattr(wanted, name.lower())
    ]
    if differing:
        raise InvalidInputError(
            f"the running stack has {', '.join(differing)}: run make down first, then make up again"
        )


def asked_timeframes(settings: StackSettings, asked: frozenset[str]) -> str:
    """Return the timeframes to work under: those of the running stack unless others are asked."""
    layout = Layout(settings.state)
    record = load_record(layout)
    if record is None or "TIMEFRAMES" in asked or part_states(layout) is None:
        return settings.timeframes
    return record.timeframes


@contextmanager
def only_one(layout: Layout) -> Iterator[None]:
    """Hold the lock of the state folder for the body.

    Raises:
        InvalidInputError: another ``make up`` holds it.
    """
    with (layout.run / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise InvalidInputError(
                f"another make up (pid {lock.read().strip()}) is at work in {layout.state}: "
                "wait for it, or end it with make down"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def up(settings: StackSettings, asked: frozenset[str], inherited: Mapping[str, str]) -> None:
    """Bring the stack up, run the main job, print the summary.

    Raises:
        CandlewickError: whatever stopped it, in one line.
    """
    layout, screen = Layout(settings.state), Screen()
    check_python()
    check_folder(settings.state)
    layout.make_folders()
    with only_one(layout):
        record = load_record(layout)
        if record is not None and part_states(layout) is not None:
            refuse_other_settings(settings, asked, record)
            settings = _settings_of(record, settings)
        else:
            with screen.step("Settings, ports, leftovers"):
                stop_everything(layout)
                check_all(settings, record, inherited)
        _Rise(layout, settings, screen, inherited).run()


def _settings_of(record: StackRecord, settings: StackSettings) -> StackSettings:
    """Return the settings of the running stack; what was not asked for stays as it is."""
    return parse_settings(
        {
            "STATE": str(settings.state),
            **{name: str(getattr(record, name.lower())) for name in COMPARED},
        }
    )


class _Rise:
    """One ``make up``; every step finds out for itself whether it is still to be done."""

    def __init__(
        self,
        layout: Layout,
        settings: StackSettings,
        screen: Screen,
        inherited: Mapping[str, str],
    ) -> None:
        self._layout, self._settings = layout, settings
        self._screen, self._inherited = screen, inherited
        self._was_running = part_states(layout) is not None
        self._keys: Keys = ensure_keys(layout)
        previous = load_record(layout)
        fresh = StackRecord.from_settings(settings)
        if previous is not None and self._was_running:
            fresh = previous
        elif previous is not None:
            fresh = fresh.with_changes(prepared=previous.prepared)
        if not fresh.symbols and settings.source.kind != "replay":
            fresh = fresh.with_changes(symbols=choose_symbols(settings, None))
        self._record = save_record(layout, fresh)

    def run(self) -> None:
        if self._was_running and self._record.river_done and self._is_healthy():
            self._screen.say("The stack is running already.")
            self._print_summary(None)
            return
        with self._screen.step("PostgreSQL"):
            fresh_cluster = self._start_postgres()
        with self._screen.step("Databases, settings, exchange"):
            self._prepare(fresh_cluster)
        with self._screen.step("Airflow"):
            self._start_airflow()
        passage = river.run(self._layout, self._record, self._keys, self._screen)
        self._remember(river_done=True)
        self._print_summary(passage)

    def _remember(self, **changes: object) -> None:
        self._record = save_record(self._layout, self._record.with_changes(**changes))

    def _is_healthy(self) -> bool:
        states = part_states(self._layout) or {}
        return bool(states) and not parts_not_healthy(self._record, self._keys, states)

    def _start_postgres(self) -> bool:
        server = cluster(self._layout, self._record)
        fresh = server.initialise()
        if part_states(self._layout) is None:
            start_supervisor(self._layout, self._record, self._inherited)
        start_parts(self._layout, ["postgres"])
        server.wait_ready(120)
        server.ensure_database(AIRFLOW_DATABASE, AIRFLOW_ROLE, self._keys.airflow_database_password)
        server.ensure_database(WAREHOUSE_DATABASE, WAREHOUSE_ROLE, self._keys.warehouse_password)
        server.ensure_logins(
            loader_password=self._keys.loader_password,
            reader_password=self._keys.reader_password,
        )
        return fresh

    def _prepare(self, fresh_cluster: bool) -> None:
        """Migrate both databases and bring the exchange up, side by side."""
        self._remember(ready=False)
        if self._record.symbols:
            # Its long imports need no database; it waits for ``ready`` before it does.
            start_parts(self._layout, [part.name for part in AIRFLOW_PARTS if part.preloads])
        with ThreadPoolExecutor() as pool:
            tasks = [
                pool.submit(self._prepare_airflow, fresh_cluster),
                pool.submit(self._migrate_warehouse),
                pool.submit(self._start_exchange),
            ]
            changes = [task.result() for task in tasks]
        merged = {name: value for change in changes for name, value in change.items()}
        self._remember(ready=True, **merged)

    def _prepare_airflow(self, fresh_cluster: bool) -> dict[str, object]:
        declared = self._layout.root / SETTINGS_FILE
        fingerprint = _fingerprint(declared)
        if not fresh_cluster and self._record.prepared == fingerprint:
            return {}
        log = self._layout.logs / "prepare.log"
        with log.open("ab") as output:
            finished = subprocess.run(
                [sys.executable, "-m", "stack.prepare_airflow", str(declared)],
                env=process_environment(self._layout, self._record, self._inherited),
                cwd=self._layout.root,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                check=False,
            )
        if finished.returncode != 0:
            words = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            raise SourceUnavailableError(
                f"Airflow's database could not be prepared: {''.join(words)} (see {log})"
            )
        return {"prepared": fingerprint}

    def _migrate_warehouse(self) -> dict[str, object]:
        # Imported here: Alembic is slow to load, and most calls of this module do not get so far.
        from include.warehouse.migrate import upgrade

        upgrade(self._keys.warehouse_url(self._record))
        return {}

    def _start_exchange(self) -> dict[str, object]:
        if not self._record.simulated:
            return {}
        start_parts(self._layout, ["simulator"])
        info = wait_for_simulator(self._layout, self._record)
        offered = tuple(str(symbol) for symbol in info.get("symbols", ()))
        changes: dict[str, object] = {"symbols": choose_symbols(self._settings, offered)}
        if self._settings.source.kind == "replay":
            changes["replay_from_ms"] = info["data_from_ms"]
            changes["replay_to_ms"] = info["data_to_ms"]
        return changes

    def _start_airflow(self) -> None:
        # Parts that run already have no younger sign of life than their last heartbeat and parse.
        since = datetime.now(UTC) - (RECENTLY if self._was_running else timedelta())
        start_parts(self._layout, [part.name for part in AIRFLOW_PARTS])
        api = AirflowApi(self._record.airflow_url, self._keys.admin_password)
        wait_for_airflow(self._layout, api, since)

    def _print_summary(self, passage: river.Passage | None) -> None:
        self._screen.say("")
        states = part_states(self._layout) or {}
        self._screen.console.print(status_table(self._record, states))
        self._screen.say("")
        self._screen.console.print(summary_table(self._layout, self._record, self._keys, passage))


def _fingerprint(settings_file: Path) -> str:
    """Return what Airflow's metadata depend on: its version and the declared objects."""
    digest = hashlib.sha256(settings_file.read_bytes()).hexdigest()[:16]
    return f"airflow {version('apache-airflow')}, settings {digest}"
