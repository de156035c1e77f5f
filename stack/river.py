"""The main job of ``make up``: reference data, history, and everything down to the charts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import psycopg

from include.market.errors import CandlewickError, SourceUnavailableError
from include.market.span import Span, to_ms
from include.market.timeframe import DAY_MS, M1
from stack.airflow_api import UNFINISHED, AirflowApi
from stack.console import Screen, StageBoard
from stack.keys import Keys
from stack.layout import Layout, StackRecord
from stack.river_progress import (
    HISTORY_DAG,
    REPORT_DAG,
    RIVER_DAGS,
    STAGES,
    Marks,
    Numbers,
    advance_marks,
    everything_through,
    stage_to_nudge,
    stage_views,
    stages_through,
)
from stack.river_queries import close_finished_backfills, read_poll

POLL_S = 0.7
NUDGE_AFTER_S = 12.0
STALL_S = 1800.0
OUTAGE_S = 90.0


class RiverFailedError(CandlewickError):
    """Raised when a DAG run of the main job failed; names the task and its log."""


@dataclass(frozen=True, slots=True)
class Passage:
    """What a finished main job reports: seconds until each stage was through."""

    span: Span
    stage_seconds: dict[str, float] = field(default_factory=dict)


def history_span(record: StackRecord, now: datetime) -> Span:
    """Return the whole UTC days to load: a replay's recorded range, else the last ``days`` days.

    Half-open; today is never part of it.
    """
    if record.replay_from_ms is not None and record.replay_to_ms is not None:
        first = record.replay_from_ms // DAY_MS * DAY_MS
        return Span(first, -(-record.replay_to_ms // DAY_MS) * DAY_MS)
    today = to_ms(now) // DAY_MS * DAY_MS
    return Span(today - record.days * DAY_MS, today)


def run(layout: Layout, record: StackRecord, keys: Keys, screen: Screen) -> Passage:
    """Run the main job to its end, showing its progress; may be repeated.

    Raises:
        RiverFailedError: a DAG run failed, or nothing moved for half an hour.
    """
    api = AirflowApi(record.airflow_url, keys.admin_password)
    since = datetime.now(UTC)
    span = history_span(record, since)
    with screen.step("Reference data"):
        for dag_id in RIVER_DAGS:
            api.unpause(dag_id)
        run_id = _sync_run(api)
        _wait(
            lambda: api.run_state("sync_reference", run_id) == "success",
            lambda: raise_failure(api, layout, ("sync_reference",), since),
        )
    days = (span.end_ms - span.start_ms) // DAY_MS
    screen.say(f"  History of {days} days of {len(record.symbols)} instruments: {span}")
    begin_backfill(api, keys.metadata_url(record), span, layout, since)
    with screen.stages() as board:
        watch = _Watch(api, layout, record, keys, span, since)
        passage = watch.until_through(board)
    close_finished_backfills(keys.metadata_url(record))
    return passage


def _sync_run(api: AirflowApi) -> str:
    """Return a run of ``sync_reference`` that is not over yet, started now if there is none."""
    runs = api.runs("sync_reference", state=list(UNFINISHED))
    return str(runs[0]["dag_run_id"]) if runs else api.trigger("sync_reference")


def begin_backfill(
    api: AirflowApi, metadata_url: str, span: Span, layout: Layout, since: datetime
) -> None:
    """Create the backfill of ``span``, or go on with the one that an interrupted try created."""
    first, last = span.start_time, span.end_time - timedelta(days=1)

    def created_or_found() -> bool:
        close_finished_backfills(metadata_url)
        if api.create_backfill(HISTORY_DAG, first, last):
            return True
        wanted = (first, last)
        return any(
            (_instant(row["from_date"]), _instant(row["to_date"])) == wanted
            for row in api.open_backfills(HISTORY_DAG)
        )

    _wait(created_or_found, lambda: raise_failure(api, layout, (HISTORY_DAG,), since))


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def raise_failure(api: AirflowApi, layout: Layout, dags: Iterable[str], since: datetime) -> None:
    """Raise for the first run of ``dags`` that failed since then.

    Raises:
        RiverFailedError: naming the task and its log.
    """
    failed = api.first_failure(dags, since)
    if failed is not None:
        raise RiverFailedError(
            f"task {failed.dag_id}.{failed.task_id} failed (run {failed.run_id}): "
            f"see {layout.logs / 'tasks' / failed.log}, then repeat make up"
        )


def _wait(ready: Callable[[], bool], check: Callable[[], None]) -> None:
    deadline = time.monotonic() + STALL_S
    while not ready():
        check()
        if time.monotonic() > deadline:
            raise RiverFailedError(
                f"nothing happened for {STALL_S / 60:.0f} minutes: see make status and make logs"
            )
        time.sleep(POLL_S)


class _Watch:
    """Polls warehouse and scheduler until every stage is through."""

    def __init__(
        self,
        api: AirflowApi,
        layout: Layout,
        record: StackRecord,
        keys: Keys,
        span: Span,
        since: datetime,
    ) -> None:
        self._api, self._layout, self._since = api, layout, since
        self._warehouse = keys.warehouse_url(record)
        minutes = (span.end_ms - span.start_ms) // M1.length_ms
        self._expected_rows = minutes * len(record.symbols)
        self._marks = Marks()
        self._passage = Passage(span)
        self._started = self._answered_at = self._moved_at = time.monotonic()
        self._nudged_at = self._started
        self._last: Numbers | None = None

    def until_through(self, board: StageBoard) -> Passage:
        while True:
            numbers = self._poll()
            if numbers is None:
                time.sleep(POLL_S)
                continue
            self._note_times(numbers)
            board.show(stage_views(numbers, self._marks, self._expected_rows))
            if everything_through(numbers, self._marks) and numbers.newest_landing:
                return self._passage
            marks = advance_marks(numbers, self._marks)
            if marks != self._marks:
                self._marks = marks
                continue
            raise_failure(self._api, self._layout, RIVER_DAGS, self._since)
            self._refuse_nothing(numbers)
            self._nudge(numbers)
            time.sleep(POLL_S)

    def _poll(self) -> Numbers | None:
        """Return fresh numbers; None while a part is being restarted.

        Raises:
            SourceUnavailableError: a part stays away for longer than healing takes.
        """
        try:
            numbers = self._read()
        except (psycopg.OperationalError, SourceUnavailableError) as error:
            if time.monotonic() - self._answered_at > OUTAGE_S:
                raise SourceUnavailableError(
                    f"the stack stopped answering ({' '.join(str(error).split())}): see make status"
                ) from None
            return None
        self._answered_at = time.monotonic()
        return numbers

    def _read(self) -> Numbers:
        unfinished = self._api.unfinished_runs()
        reports = self._api.runs(REPORT_DAG, state=["success"], order_by="-start_date", limit=1)
        with psycopg.connect(self._warehouse, connect_timeout=5) as connection:
            polled = read_poll(connection, self._marks)
        reported_at = _instant(reports[0]["start_date"]).timestamp() if reports else 0.0
        return Numbers(unfinished_runs=unfinished, reported_at=reported_at, **polled)

    def _note_times(self, numbers: Numbers) -> None:
        for stage in stages_through(numbers, self._marks):
            self._passage.stage_seconds.setdefault(stage, time.monotonic() - self._started)
        seen = replace(numbers, next_xid="")
        if seen != self._last:
            self._moved_at, self._last = time.monotonic(), seen
        elif time.monotonic() - self._moved_at > STALL_S:
            stage = next(name for name in STAGES if name not in self._passage.stage_seconds)
            raise RiverFailedError(
                f"stage {stage} has not moved for {STALL_S / 60:.0f} minutes: see make status"
            )

    def _refuse_nothing(self, numbers: Numbers) -> None:
        if self._marks.landing == 0 and numbers.newest_landing == 0:
            raise RiverFailedError(
                f"{HISTORY_DAG} ended without landing a single batch: see the logs of its tasks in "
                f"{self._layout.logs / 'tasks'}"
            )

    def _nudge(self, numbers: Numbers) -> None:
        dag_id = stage_to_nudge(numbers, self._marks)
        now = time.monotonic()
        if dag_id is None:
            self._nudged_at = now
        elif now - self._nudged_at > NUDGE_AFTER_S:
            self._api.trigger(dag_id)
            self._nudged_at = now
