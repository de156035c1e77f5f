"""How far the river is, as pure functions of polled numbers.

Live fetching goes on beside the main job, so the stages are never all idle for certain. Hence each
stage is measured up to a *mark*: what its predecessor had finished when that one was first seen
through. Later arrivals are somebody else's work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from include.market.modelled import MODELLED
from include.market.timeframe import CASCADE, H4, M1

REFERENCE_DAG = "sync_reference"
HISTORY_DAG = "backfill_history"
REPORT_DAG = "publish_report"
CHANNEL_STAGE = f"fit_channels_{H4.label}"
# Models that nobody waits for. They rest while history arrives: each part of it would have them
# fitted again, and take the time of what is waited for.
RESTING_DAGS = tuple(f"fit_channels_{each.name}" for each in MODELLED if each != H4)
CASCADE_STAGES = tuple(f"cascade_{target.name}" for _, target in CASCADE)
# Stages that follow a cursor in the ledger, and the dataset whose changes each one reads.
CURSOR_STAGES = {
    **{f"cascade_{target.name}": source.dataset for source, target in CASCADE},
    CHANNEL_STAGE: H4.dataset,
}
STAGES = ("fetch", "check", "load", *CASCADE_STAGES, "channels", "report")
# Which DAG to nudge when a stage has work but none of its runs is there to do it.
STAGE_DAGS = {
    "check": "check_candles",
    "load": "load_warehouse",
    **{stage: stage for stage in CASCADE_STAGES},
    "channels": CHANNEL_STAGE,
    "report": REPORT_DAG,
}
RIVER_DAGS = (
    *(REFERENCE_DAG, HISTORY_DAG, "fetch_candles", "check_candles", "load_warehouse"),
    *CASCADE_STAGES,
    *(CHANNEL_STAGE, REPORT_DAG),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """Up to where each stage is measured; None while its predecessor is not through.

    ``landing`` is a landing id (inclusive), ``changes`` are transaction ids by stage (exclusive),
    ``fitted_at`` is epoch seconds.
    """

    landing: int | None = None
    changes: Mapping[str, str] = field(default_factory=dict)
    fitted_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """One poll of warehouse and scheduler; counts below the marks given to that poll."""

    unfinished_runs: Mapping[str, int]
    """Runs queued or running, by DAG."""
    landings: Mapping[str, int]
    """Landings by state: landed, checked, loaded, held."""
    landed_rows: int
    newest_landing: int
    """Greatest landing id, 0 for none."""
    stored_rows: Mapping[str, int]
    """Rows written so far, by dataset."""
    waiting: Mapping[str, int]
    """Changes a cursor stage has not passed."""
    next_xid: str
    """A transaction id greater than every committed one."""
    segments: int
    channels: int
    publications: Mapping[str, int]
    """Publications by state: pending, sent, failed."""
    fitted_at: float
    """When the newest fit that is reported was recorded, epoch seconds; 0 for never."""
    reported_at: float
    """When the newest successful report run started, epoch seconds; 0 for never."""


@dataclass(frozen=True, slots=True)
class StageView:
    """What to show of a stage: 0.0 to 1.0, and a few words."""

    fraction: float
    note: str
    done: bool


def stages_through(numbers: Numbers, marks: Marks) -> tuple[str, ...]:
    """Return the stages that are through, in order; a stage waits for all before it."""
    through: list[str] = []
    for stage in STAGES:
        if not _is_through(stage, numbers, marks):
            break
        through.append(stage)
    return tuple(through)


def everything_through(numbers: Numbers, marks: Marks) -> bool:
    """Tell whether the main job has reached its end."""
    return stages_through(numbers, marks) == STAGES


def _is_through(stage: str, numbers: Numbers, marks: Marks) -> bool:
    if stage == "fetch":
        return numbers.unfinished_runs.get(HISTORY_DAG, 0) == 0
    if stage == "check":
        return marks.landing is not None and numbers.landings.get("landed", 0) == 0
    if stage == "load":
        return marks.landing is not None and numbers.landings.get("checked", 0) == 0
    if stage == "report":
        fitted_at = marks.fitted_at
        # Without a single landing nothing has happened yet that could be reported.
        if fitted_at is None or not marks.landing or numbers.publications.get("pending", 0):
            return False
        return fitted_at == 0 or numbers.reported_at >= fitted_at
    cursor_stage = CHANNEL_STAGE if stage == "channels" else stage
    return cursor_stage in marks.changes and numbers.waiting.get(cursor_stage, 0) == 0


def advance_marks(numbers: Numbers, marks: Marks) -> Marks:
    """Set the mark of the stage that follows the last one through; marks once set stay."""
    through = stages_through(numbers, marks)
    if "fetch" in through and marks.landing is None:
        return replace(marks, landing=numbers.newest_landing)
    predecessors = ("load", *CASCADE_STAGES)
    followers = (*CASCADE_STAGES, CHANNEL_STAGE)
    for predecessor, follower in zip(predecessors, followers, strict=True):
        if predecessor in through and follower not in marks.changes:
            return replace(marks, changes={**marks.changes, follower: numbers.next_xid})
    if "channels" in through and marks.fitted_at is None:
        return replace(marks, fitted_at=numbers.fitted_at)
    return marks


def stage_to_nudge(numbers: Numbers, marks: Marks) -> str | None:
    """Return the DAG of the first stage not through when nothing of it is queued or running.

    An asset event that was lost would otherwise leave the work to the slow safety-net clock.
    """
    through = stages_through(numbers, marks)
    for stage in STAGES:
        if stage not in through:
            dag_id = STAGE_DAGS.get(stage)
            return dag_id if dag_id and not numbers.unfinished_runs.get(dag_id) else None
    return None


def stage_views(numbers: Numbers, marks: Marks, expected_rows: int) -> dict[str, StageView]:
    """Return what to show of every stage; ``expected_rows`` is the whole history in 1m candles."""
    through = stages_through(numbers, marks)
    batches = sum(numbers.landings.values())
    unchecked = numbers.landings.get("landed", 0)
    unloaded = unchecked + numbers.landings.get("checked", 0)
    held = numbers.landings.get("held", 0)
    parts: dict[str, tuple[float, str]] = {
        "fetch": (_share(numbers.landed_rows, expected_rows), f"{numbers.landed_rows:,} rows"),
        "check": (_share(batches - unchecked, batches), f"{batches - unchecked} of {batches}"),
        "load": (
            _share(batches - unloaded, batches),
            _rows(numbers, M1.dataset) + (f", {held} held" if held else ""),
        ),
        "channels": (0.0, f"{numbers.segments} segments, {numbers.channels} channels"),
        "report": (0.0, f"{numbers.publications.get('sent', 0)} sent"),
    }
    for (_, target), stage in zip(CASCADE, CASCADE_STAGES, strict=True):
        wanted = expected_rows * M1.length_ms // target.length_ms
        stored = numbers.stored_rows.get(target.dataset, 0)
        parts[stage] = (_share(stored, wanted), _rows(numbers, target.dataset))
    return {
        stage: StageView(1.0 if stage in through else share, note, stage in through)
        for stage, (share, note) in ((stage, parts[stage]) for stage in STAGES)
    }


def _rows(numbers: Numbers, dataset: str) -> str:
    return f"{numbers.stored_rows.get(dataset, 0):,} rows"


def _share(part: int, whole: int) -> float:
    # Short of 100 %, for only "through" may say so.
    return min(part / whole, 0.99) if whole > 0 else 0.0
