"""What fits tell the timeframes below them."""

from __future__ import annotations

from collections.abc import Sequence

from include.channels.channel_state import TRACED, describe_state, hash_state, trace_states
from include.jobs.fit_inputs import FitInput, MadeFit
from include.market.modelled import is_parent
from include.market.settings import Settings
from include.market.timeframe import Timeframe
from include.warehouse.channel_states import StoredState, count_states
from include.warehouse.engine import Connection


def told_states(
    conn: Connection,
    timeframe: Timeframe,
    settings: Settings,
    given: Sequence[FitInput],
    made: Sequence[MadeFit],
    fit_run_ids: Sequence[int | None],
) -> list[StoredState]:
    """Return the states to store with fits: nothing for a timeframe without children.

    The first fit of an instrument also tells what would have been told before, so that children
    have a past to judge by. A fit that was not stored (id None) tells nothing.
    """
    if not is_parent(timeframe):
        return []
    known = count_states(conn, timeframe, [one.instrument_id for one in given])
    states = []
    for one, each, fit_run_id in zip(given, made, fit_run_ids, strict=True):
        state = describe_state(each.fit, each.features)
        if state is None or fit_run_id is None:
            continue
        if known.get(one.instrument_id, 0) < TRACED:
            states += _traced(one, each, settings)
        known_at = each.fit.segments[-1].end_time
        states.append(
            StoredState(
                one.instrument_id, timeframe, known_at, state, hash_state(state), fit_run_id
            )
        )
    return states


def _traced(one: FitInput, each: MadeFit, settings: Settings) -> list[StoredState]:
    found = trace_states(
        one.candles, one.timeframe, min_candles=settings.segment_min_candles, taus=each.fit.taus
    )
    return [
        StoredState(one.instrument_id, one.timeframe, known_at, state, hash_state(state))
        for known_at, state in found
    ]
