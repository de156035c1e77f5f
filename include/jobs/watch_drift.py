"""Watch every series for drift: of what its candles are like, and of the units they are told in.

Only settled days are judged, and only where the ledger proves them loaded. Running it again for the
same day judges the same windows anew and replaces their verdicts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from include.jobs.deliver import make_known
from include.jobs.watch_units import (
    UNIT_DAYS,
    Outcome,
    in_todays_units,
    judge_again,
    judge_units,
    own_candles,
)
from include.market.settings import Settings
from include.market.span import Span, from_ms, subtract_spans, to_ms
from include.market.timeframe import DAY_MS, M1, TIMEFRAMES, Timeframe
from include.notify.sender import Message, Sender
from include.quality.drift import DriftPlan, DriftVerdict, Evidence, gather_evidence, judge_run
from include.warehouse.candles import read_candles
from include.warehouse.drift import (
    DriftKey,
    Episode,
    NewEpisode,
    StoredVerdict,
    WatchedSeries,
    end_episodes,
    mark_drift_told,
    note_episodes,
    open_episodes,
    unit_changes,
    watched_series,
    write_verdicts,
)
from include.warehouse.engine import Connection
from include.warehouse.ledger import coverage

LEAST_WINDOW: Final = 12
"""Candles a window must be able to hold; longer timeframes are not watched."""
SHOWN: Final = 8

Found: TypeAlias = tuple[WatchedSeries, Timeframe, Evidence]


def watch_drift(
    conn: Connection, settings: Settings, sender: Sender, *, at: datetime
) -> dict[str, int]:
    """Judge what has settled by ``at``, store every verdict, and tell once of what drifted.

    Returns counts of the series, tests, drifts in force, and drifts told of now.
    """
    plan = DriftPlan(
        window_days=settings.drift_window_days, reference_days=settings.drift_reference_days
    )
    end_ms = settled_end_ms(settings, at)
    watched = watched_series(conn, M1.dataset, Span(end_ms - UNIT_DAYS * DAY_MS, end_ms))
    found = list(_gather(conn, watched, plan, end_ms))
    outcomes = [
        _judge(found, settings.drift_fdr),
        judge_units(conn, watched, end_ms),
        judge_again(conn, watched),
    ]
    with conn.transaction():
        for outcome in outcomes:
            write_verdicts(conn, outcome.verdicts)
            end_episodes(conn, outcome.quiet, at=at)
            note_episodes(conn, outcome.drifts, at=at)
    told = tell_drifts(conn, sender, at=at)
    return {
        "series": len({(series, timeframe) for series, timeframe, _ in found}),
        "tests": len(found),
        "drifts": len(open_episodes(conn)),
        "told": told,
    }


def settled_end_ms(settings: Settings, at: datetime) -> int:
    """Return the last UTC midnight that has rested long enough by ``at``, epoch ms."""
    rested_ms = to_ms(at - timedelta(hours=settings.drift_settle_hours))
    return rested_ms - rested_ms % DAY_MS


def watched_timeframes(plan: DriftPlan) -> list[Timeframe]:
    """Return the kept timeframes of which a window holds enough candles."""
    most_ms = plan.window_days * DAY_MS // LEAST_WINDOW
    return [each for each in TIMEFRAMES.values() if not each.months and each.length_ms <= most_ms]


def tell_drifts(conn: Connection, sender: Sender, *, at: datetime) -> int:
    """Tell of the drifts nobody was told of yet, in one message; return how many.

    Raises:
        CandlewickError: it could not be sent; the next run tries again.
    """
    untold = [episode for episode in open_episodes(conn) if not episode.is_told]
    if not untold:
        return 0
    if not make_known(conn, sender, _message(untold, at), kind="drift"):
        return 0
    with conn.transaction():
        mark_drift_told(conn, untold, at=at)
    return len(untold)


def _gather(
    conn: Connection, watched: Sequence[WatchedSeries], plan: DriftPlan, end_ms: int
) -> Iterator[Found]:
    """Yield the evidence on every series whose window is proven loaded."""
    window = plan.window(end_ms)
    for series in watched:
        changes = unit_changes(conn, series.instrument_id)
        for timeframe in watched_timeframes(plan):
            covered = coverage(conn, timeframe.dataset, series.instrument_id)
            if subtract_spans(window, covered):
                continue
            frame = own_candles(
                read_candles(conn, timeframe, series.instrument_id, plan.reach(end_ms))
            )
            for one in gather_evidence(in_todays_units(frame, changes), timeframe, end_ms, plan):
                yield series, timeframe, one


def _judge(found: Sequence[Found], fdr: float) -> Outcome:
    verdicts = judge_run([evidence for _, _, evidence in found], fdr=fdr)
    outcome = Outcome([], [], [])
    for (series, timeframe, evidence), verdict in zip(found, verdicts, strict=True):
        key = DriftKey(
            instrument_id=series.instrument_id,
            timeframe=timeframe.label,
            kind="distribution",
            measure=evidence.measure,
        )
        detail = describe(verdict) if verdict.drifted else None
        outcome.verdicts.append(_as_stored(key, verdict, len(found), detail))
        if detail is not None:
            outcome.drifts.append(_episode(key, from_ms(evidence.changed_ms), detail))
        elif verdict.p_value > fdr:
            # Between the two a drift goes on that began: it shall not come and go every day.
            outcome.quiet.append(key)
    return outcome


def describe(verdict: DriftVerdict) -> str:
    """Say in one line what drifted and by how much."""
    evidence = verdict.evidence
    distances = evidence.distances
    return (
        f"{evidence.measure} spreads otherwise than before: psi {distances['psi']:.2f}, "
        f"ks {distances['ks']:.2f}, js {distances['js']:.2f}, shift {distances['shift']:+.2f}, "
        f"q {verdict.q_value:.2g}; most likely since {from_ms(evidence.changed_ms):%Y-%m-%d}"
    )


def _as_stored(
    key: DriftKey, verdict: DriftVerdict, tests: int, detail: str | None
) -> StoredVerdict:
    evidence = verdict.evidence
    return StoredVerdict(
        instrument_id=key.instrument_id,
        timeframe=key.timeframe,
        kind=key.kind,
        measure=key.measure,
        window_start=evidence.window.start_time,
        window_end=evidence.window.end_time,
        reference_start=evidence.reference.start_time,
        candles=evidence.candles,
        **evidence.distances,
        p_value=verdict.p_value,
        q_value=verdict.q_value,
        tests=tests,
        alarm=verdict.drifted,
        changed_at=from_ms(evidence.changed_ms),
        detail=detail,
    )


def _episode(key: DriftKey, began_at: datetime, detail: str) -> NewEpisode:
    return NewEpisode(
        instrument_id=key.instrument_id,
        timeframe=key.timeframe,
        kind=key.kind,
        measure=key.measure,
        advice="refit",
        began_at=began_at,
        detail=detail,
    )


def _message(untold: Sequence[Episode], at: datetime) -> Message:
    shown = [f"{each.name} {each.timeframe}: {each.detail}" for each in untold[:SHOWN]]
    rest = len(untold) - len(shown)
    more = [f"and {rest} more"] if rest else []
    numbers = [each.episode_id for each in untold]
    return Message(
        title=f"{len(untold)} series drifted",
        text="\n".join([*shown, *more, "All are in ledger.drift_episode."])[:1800],
        event_key=f"drift:{numbers[0]}-{numbers[-1]}-{len(numbers)}",
        event_time=at,
    )
