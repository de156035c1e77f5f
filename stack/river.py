"""The main job of ``make up``: reference data, history, and everything down to the charts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import psycopg

from include.market.errors import CandlewickError, SourceUnavailableError
from include.market.span import Span, to_ms
from include.market.timeframe import DAY_MS, M1
from stack.airflow_api import AirflowApi
from stack.console import Screen, StageBoard
from stack.keys import Keys
from stack.layout import Layout, StackRecord
from stack.river_progress import (
    HISTORY_DAG,
    REFERENCE_DAG,
    REPORT_DAG,
    RESTING_DAGS,
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
from stack.river_queries import Metadata, read_poll

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
    metadata = Metadata(keys.metadata_url(record))
    since = datetime.now(UTC)
    span = history_span(record, since)

    def check(*dags: str) -> None:
        raise_failure(metadata, layout, dags or RIVER_DAGS, since)

    with _resting(api):
        with screen.step("Reference data"):
            for dag_id in RIVER_DAGS:
                api.unpause(dag_id)
            run_id = metadata.unfinished_run(REFERENCE_DAG) or api.trigger(REFERENCE_DAG)
            _wait(
                lambda: metadata.run_state(REFERENCE_DAG, run_id) == "success",
                lambda: check(REFERENCE_DAG),
            )
        days = (span.end_ms - span.start_ms) // DAY_MS
        screen.say(f"  History of {days} days of {len(record.symbols)} instruments: {span}")
        _wait(lambda: begin_backfill(api, metadata, span), lambda: check(HISTORY_DAG))
        with screen.stages() as board:
            minutes = (span.end_ms - span.start_ms) // M1.length_ms
            watch = _Watch(api, metadata, keys.warehouse_url(record), check)
            seconds = watch.until_through(board, minutes * len(record.symbols))
        metadata.close_finished_backfills()
    return Passage(span, seconds)


@contextmanager
def _resting(api: AirflowApi) -> Iterator[None]:
    """Keep what nobody waits for from running meanwhile: the ledger knows what it has to do."""
    for dag_id in RESTING_DAGS:
        api.pause(dag_id)
    try:
        yield
    except BaseException:
        # What went wrong is told, not that the stack may be gone with it; the next try wakes them.
        with suppress(CandlewickError):
            _wake(api)
        raise
    _wake(api)


def _wake(api: AirflowApi) -> None:
    for dag_id in RESTING_DAGS:
        api.unpause(dag_id)
        # Events of meanwhile woke nobody who rested.
        api.trigger(dag_id)


def begin_backfill(api: AirflowApi, metadata: Metadata, span: Span) -> bool:
    """Create the backfill of ``span``, or find the one an interrupted try created.

    Returns False while another backfill is in the way: Airflow allows one per DAG.
    """
    first, last = span.start_time, span.end_time - timedelta(days=1)
    metadata.close_finished_backfills()
    if api.create_backfill(HISTORY_DAG, first, last):
        return True
    return any(
        (_instant(row["from_date"]), _instant(row["to_date"])) == (first, last)
        for row in api.open_backfills(HISTORY_DAG)
    )


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def raise_failure(metadata: Metadata, layout: Layout, dags: Sequence[str], since: datetime) -> None:
    """Raise for the first run of ``dags`` that failed since then.

    Raises:
        RiverFailedError: naming the task and its log.
    """
    failed = metadata.first_failure(dags, since)
    if failed is not None:
        raise RiverFailedError(
            f"task {failed.dag_id}.{failed.task_id} failed (run {failed.run_id}): "
            f"see {layout.logs / 'tasks' / failed.log}, then repeat make up"
        )


class _Patience:
    """Bears with parts that are just being restarted, for as long as healing takes."""

    def __init__(self) -> None:
        self._answered_at = time.monotonic()

    @contextmanager
    def bearing(self) -> Iterator[None]:
        """Swallow an outage of the body; its body is to be tried again.

        Raises:
            SourceUnavailableError: the outage lasts for too long.
        """
        try:
            yield
        except (psycopg.OperationalError, SourceUnavailableError) as error:
            if time.monotonic() - self._answered_at > OUTAGE_S:
                raise SourceUnavailableError(
                    f"the stack stopped answering ({' '.join(str(error).split())}): see make status"
                ) from None
        else:
            self._answered_at = time.monotonic()


def _wait(ready: Callable[[], bool], check: Callable[[], None]) -> None:
    patience, deadline = _Patience(), time.monotonic() + STALL_S
    while True:
        with patience.bearing():
            if ready():
                return
            check()
        if time.monotonic() > deadline:
            raise RiverFailedError(
                f"nothing happened for {STALL_S / 60:.0f} minutes: see make status and make logs"
            )
        time.sleep(POLL_S)


class _Watch:
    """Polls both databases until every stage is through."""

    def __init__(
        self, api: AirflowApi, metadata: Metadata, warehouse_url: str, check: Callable[[], None]
    ) -> None:
        self._api, self._metadata = api, metadata
        self._warehouse_url, self._check = warehouse_url, check
        self._marks = Marks()
        self._seconds: dict[str, float] = {}
        self._started = self._moved_at = self._busy_at = time.monotonic()
        self._last: Numbers | None = None

    def until_through(self, board: StageBoard, expected_rows: int) -> dict[str, float]:
        """Return how many seconds each stage took to be through, counted from the start."""
        patience = _Patience()
        while True:
            with patience.bearing():
                numbers = self._advance()
                board.show(stage_views(numbers, self._marks, expected_rows))
                if everything_through(numbers, self._marks):
                    return self._seconds
                self._look_after(numbers)
            time.sleep(POLL_S)

    def _advance(self) -> Numbers:
        """Poll, and again at once for as long as that moves a mark."""
        while True:
            numbers = self._poll()
            for stage in stages_through(numbers, self._marks):
                self._seconds.setdefault(stage, time.monotonic() - self._started)
            marks = advance_marks(numbers, self._marks)
            if marks == self._marks:
                return numbers
            self._marks = marks

    def _poll(self) -> Numbers:
        runs = self._metadata.runs(RIVER_DAGS)
        with psycopg.connect(self._warehouse_url, connect_timeout=5) as connection:
            polled = read_poll(connection, self._marks)
        return Numbers(
            unfinished_runs=runs.unfinished,
            reported_at=runs.succeeded_at.get(REPORT_DAG, 0.0),
            **polled,
        )

    def _look_after(self, numbers: Numbers) -> None:
        """Notice a failure or a standstill, and wake a stage whose wake-up call was lost."""
        self._check()
        if self._marks.landing == 0:
            raise RiverFailedError(
                f"{HISTORY_DAG} ended without landing a single batch: see make logs"
            )
        now = time.monotonic()
        seen = replace(numbers, next_xid="")
        if seen != self._last:
            self._moved_at, self._last = now, seen
        elif now - self._moved_at > STALL_S:
            stage = next(name for name in STAGES if name not in self._seconds)
            raise RiverFailedError(
                f"stage {stage} has not moved for {STALL_S / 60:.0f} minutes: see make status"
            )
        dag_id = stage_to_nudge(numbers, self._marks)
        if dag_id is None:
            self._busy_at = now
        elif now - self._busy_at > NUDGE_AFTER_S:
            self._api.trigger(dag_id)
            self._busy_at = now
