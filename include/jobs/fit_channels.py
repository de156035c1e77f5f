"""Refit the channels of instruments whose candles changed, in shards.

A plan says what is to be fitted, shards fit it, and the end of the run moves the stage's cursor. A
shard that is lost leaves the cursor where it was, so the next run plans its instruments again. A
fit that has seen fewer changes than the one that is stored never replaces it, so no orphan can undo
anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, TypedDict

import pandas as pd

from include.channels.channel import ChannelFit
from include.channels.multiple_testing import choose_published
from include.channels.publication import crowded_out
from include.jobs.fit_inputs import FitInput, MadeFit, make_fit, newest_span, read_inputs
from include.jobs.fit_states import told_states
from include.jobs.score_channels import freeze_rival, score_changed
from include.jobs.stored_channels import to_stored
from include.market.errors import RetryableError
from include.market.modelled import parent_of
from include.market.settings import Settings
from include.market.span import Span
from include.market.timeframe import H4, Timeframe
from include.warehouse.candles import read_candles
from include.warehouse.channel_states import write_states
from include.warehouse.drift import Episode, drift_of_models, mark_drift_handed
from include.warehouse.engine import Connection
from include.warehouse.fence import hold_fence, take_fence
from include.warehouse.ledger import Change, coverage, move_cursor, read_changes
from include.warehouse.model_progress import (
    coverage_ends,
    fit_progress,
    newest_changes,
    rows_on_the_way,
    unfitted,
)
from include.warehouse.model_rows import write_fits
from include.warehouse.models import read_p_values

AT_ONCE: Final = 16
"""Instruments read, fitted and stored together."""
BACKLOG_ROWS: Final = 50_000
"""While more landed rows than this wait to be loaded, only four hours are fitted: the finer ones
would be fitted again and again to a past that is still arriving."""

Counts = dict[str, int]


class Shard(TypedDict):
    """One task's share of a run, JSON-able. ``changed``: instrument, from, to (epoch ms)."""

    token: int
    upto_xid: int
    instruments: list[int]
    changed: list[list[int]]


def plan_fits(conn: Connection, timeframe: Timeframe, settings: Settings) -> list[Shard]:
    """Return the shards of what is to be fitted now; empty when nothing is.

    An instrument is fitted when a change lies in the span its newest candles take, when its parent
    tells something else than it did, or when a drift was found. Changes that touch none of this are
    done at once.
    """
    stage = stage_of(timeframe)
    if timeframe != H4 and rows_on_the_way(conn) > BACKLOG_ROWS:
        return []
    token = take_fence(conn, stage)
    with conn.transaction():
        todo = read_changes(conn, stage, timeframe.dataset)
        hulls = _hulls(todo.changes)
        chosen = _choose(conn, timeframe, settings, hulls, todo.upto_xid)
    changed = [[one, span.start_ms, span.end_ms] for one, span in hulls.items()]
    if not chosen:
        whole = Shard(token=token, upto_xid=todo.upto_xid, instruments=[], changed=changed)
        finish_fits(conn, timeframe, settings, [whole])
        return []
    size = settings.fit_shard_instruments
    return [
        Shard(
            token=token,
            upto_xid=todo.upto_xid,
            instruments=chosen[place : place + size],
            # Told once: the end of the run does all of them.
            changed=changed if place == 0 else [],
        )
        for place in range(0, len(chosen), size)
    ]


def fit_shard(conn: Connection, timeframe: Timeframe, settings: Settings, shard: Shard) -> Counts:
    """Fit a shard's instruments, some at a time; count instruments, segments and verdicts.

    ``with_parent`` and ``slopes_agree`` are told where there was a parent (``measure_coherence``).
    """
    counts = Counter(instruments=0, segments=0, published=0, declined=0)
    instruments = shard["instruments"]
    for place in range(0, len(instruments), AT_ONCE):
        given = read_inputs(conn, timeframe, instruments[place : place + AT_ONCE], settings)
        made = [make_fit(one, min_candles=settings.segment_min_candles) for one in given]
        with conn.transaction():
            counts.update(_store(conn, timeframe, settings, given, made))
    return dict(counts)


def finish_fits(
    conn: Connection, timeframe: Timeframe, settings: Settings, shards: Sequence[Shard]
) -> Counts:
    """Score what was published against what came, and move the cursor past the run's changes.

    Raises:
        RetryableError: an instrument of the run has no fit that saw its changes; run it again.
        StaleFenceError: a newer run of the stage has begun.
    """
    stage, upto_xid = stage_of(timeframe), shards[0]["upto_xid"]
    instruments = [one for shard in shards for one in shard["instruments"]]
    changed = {one: Span(start, end) for shard in shards for one, start, end in shard["changed"]}
    with conn.transaction():
        lost = unfitted(conn, timeframe, instruments, upto_xid)
        if lost:
            raise RetryableError(
                f"stage {stage}: {len(lost)} of {len(instruments)} instruments have no fit that "
                f"saw the changes below {upto_xid}, the first is {lost[0]}; run it again"
            )
        scored = score_changed(conn, timeframe, settings, changed)
        # Held only now: a held fence has a transaction id, and while that is open no stage may
        # read what others have committed since.
        hold_fence(conn, stage, shards[0]["token"])
        scored.store(conn)
        move_cursor(conn, stage, upto_xid)
    return {"outcomes": len(scored.rows)}


def fit_changed(conn: Connection, timeframe: Timeframe, settings: Settings) -> Counts:
    """Do a whole run at once: plan, every shard, and the end.

    Returns counts of instruments, segments, channels published and declined.
    """
    totals = Counter(instruments=0, segments=0, published=0, declined=0)
    shards = plan_fits(conn, timeframe, settings)
    for shard in shards:
        totals.update(fit_shard(conn, timeframe, settings, shard))
    if shards:
        finish_fits(conn, timeframe, settings, shards)
    return dict(totals)


def stage_of(timeframe: Timeframe) -> str:
    """Return the stage that fits ``timeframe``: its DAG's name and its cursor's."""
    return f"fit_channels_{timeframe.name}"


def declined_by_drift(
    fit: ChannelFit, candles: pd.DataFrame, drifts: Sequence[Episode]
) -> ChannelFit:
    """Return ``fit``, not to be published if its candles reach back before a drift of units."""
    for drift in drifts:
        # It began on that day, at an hour nobody knows.
        mixed_until = drift.began_at + timedelta(days=1)
        if drift.advice == "decline" and (candles["open_time"] < mixed_until).any():
            reason = f"drift of {drift.measure} since {drift.began_at:%Y-%m-%d}: {drift.detail}"
            return replace(fit, published=False, declined_reason=reason)
    return fit


def newest_candles(
    conn: Connection, timeframe: Timeframe, instrument_id: int, settings: Settings
) -> pd.DataFrame:
    """Return the newest candles a channel is fitted on, oldest first."""
    covered = coverage(conn, timeframe.dataset, instrument_id)
    end_ms = covered[-1].end_ms if covered else 0
    return read_candles(conn, timeframe, instrument_id, newest_span(end_ms, timeframe, settings))


def _choose(
    conn: Connection,
    timeframe: Timeframe,
    settings: Settings,
    hulls: Mapping[int, Span],
    upto_xid: int,
) -> list[int]:
    """Return the instruments to fit, sorted."""
    progress = fit_progress(conn, timeframe, parent_of(timeframe))
    newest = newest_changes(conn, stage_of(timeframe), timeframe.dataset, upto_xid)
    ends = coverage_ends(conn, timeframe.dataset, list(hulls))
    chosen = {one for one, known in progress.items() if known.parent_moved}
    for one, hull in hulls.items():
        known = progress.get(one)
        window = newest_span(ends.get(one, 0), timeframe, settings)
        # What a run that broke off has fitted already is not fitted again.
        is_seen = known is not None and newest[one] < known.data_xid
        if known is None or (not is_seen and hull.end_ms > window.start_ms):
            chosen.add(one)
    drifts = drift_of_models(conn, timeframe)
    chosen |= {each.instrument_id for each in _news(drifts, timeframe)}
    return sorted(chosen)


def _news(drifts: Mapping[int, Sequence[Episode]], timeframe: Timeframe) -> Iterator[Episode]:
    for found in drifts.values():
        yield from (each for each in found if stage_of(timeframe) not in each.handed_to)


def _hulls(changes: Sequence[Change]) -> dict[int, Span]:
    hulls: dict[int, Span] = {}
    for change in changes:
        known = hulls.setdefault(change.instrument_id, change.span)
        hulls[change.instrument_id] = Span(
            min(known.start_ms, change.span.start_ms), max(known.end_ms, change.span.end_ms)
        )
    return dict(sorted(hulls.items()))


def _store(
    conn: Connection,
    timeframe: Timeframe,
    settings: Settings,
    given: Sequence[FitInput],
    made: Sequence[MadeFit],
) -> Counts:
    """Decide what is shown, and store fits, and what they tell their children, together."""
    drifts = drift_of_models(conn, timeframe)
    own = {one.instrument_id: each.fit.p_value for one, each in zip(given, made, strict=True)}
    family = read_p_values(conn, timeframe) | own
    counts, fits = Counter[str](), []
    for one, each in zip(given, made, strict=True):
        fit = declined_by_drift(each.fit, one.candles, drifts.get(one.instrument_id, []))
        fit, settled = _declined_by_crowd(fit, one.instrument_id, family, settings.channel_fdr)
        if fit.declined_reason != each.fit.declined_reason:
            settled["withheld_for"] = fit.declined_reason
        fits.append(
            to_stored(
                fit,
                instrument_id=one.instrument_id,
                data_xid=one.data_xid,
                min_candles=settings.segment_min_candles,
                features=each.features,
                scores=each.coherence,
                baseline_lines=freeze_rival(one.candles, fit) if fit.published else None,
                settled=settled,
                provenance=one.provenance(),
            )
        )
        counts.update(_count(fit, each.coherence))
    ids = write_fits(conn, fits)
    write_states(conn, told_states(conn, timeframe, settings, given, made, ids))
    concerned = {each: drifts.get(each, []) for each in own}
    mark_drift_handed(conn, list(_news(concerned, timeframe)), stage_of(timeframe))
    return dict(counts)


def _count(fit: ChannelFit, coherence: Mapping[str, float]) -> Counts:
    verdict = "published" if fit.published else "declined"
    counts = {"instruments": 1, "segments": len(fit.segments), verdict: 1}
    if coherence:
        counts |= {"with_parent": 1, "slopes_agree": int(coherence["parent_slope_agrees"])}
    return counts


def _declined_by_crowd(
    fit: ChannelFit, instrument_id: int, family: Mapping[int, float | None], fdr: float
) -> tuple[ChannelFit, dict[str, Any]]:
    """Return ``fit``, not to be published if too many of its timeframe's fits look as good.

    The family are the newest fits of all instruments of the timeframe, this one included; those
    that could not be judged have no p-value.
    """
    judged = sum(p_value is not None for p_value in family.values())
    settled: dict[str, Any] = {"fdr": fdr, "judged_together": judged}
    if not fit.published:
        return fit, settled
    place, p_values = list(family).index(instrument_id), list(family.values())
    if choose_published(p_values, fdr)[place]:
        return fit, settled
    reason = crowded_out(p_values, place, fdr)
    return replace(fit, published=False, declined_reason=reason), settled
