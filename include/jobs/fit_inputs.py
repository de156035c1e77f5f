"""What a fit is made of: candles, and what the parents told; and the fit made of it.

Reading and fitting are apart, so that the same reading can be done again as of a past instant.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import pandas as pd

from include.channels.begin_intervals import describe_begins
from include.channels.channel import ChannelFit, fit_channel
from include.channels.channel_state import as_parent, parent_segments
from include.channels.coherence import measure_coherence
from include.channels.segment_features import describe_segments
from include.market.candle import STATED_COLUMNS
from include.market.modelled import parent_of
from include.market.settings import Settings
from include.market.span import Span
from include.market.timeframe import Timeframe
from include.warehouse.candles import read_candles
from include.warehouse.channel_states import StoredState, newest_states
from include.warehouse.engine import Connection
from include.warehouse.model_progress import begin_reading, coverage_ends
from include.warehouse.model_values import Provenance

PARENT_STATES: Final = 64
"""So many of a parent's newest states are read: as far back as channels are judged."""


@dataclass(frozen=True, slots=True, eq=False)
class FitInput:
    """All that a fit of one instrument rests on; see ``Provenance``."""

    instrument_id: int
    timeframe: Timeframe
    candles: pd.DataFrame
    states: Sequence[StoredState]
    span: Span
    read_at: datetime
    data_xid: int

    def provenance(self) -> Provenance:
        """Return what has to be stored to read the same again."""
        return Provenance(
            self.span,
            self.read_at,
            hash_input(self.candles, self.states),
            self.states[-1].fit_run_id if self.states else None,
            tuple(state.state_id for state in self.states if state.state_id is not None),
        )


@dataclass(frozen=True, slots=True, eq=False)
class MadeFit:
    """A fit with the features of its segments and how it agrees with its parent."""

    fit: ChannelFit
    features: pd.DataFrame
    coherence: Mapping[str, float]


def read_inputs(
    conn: Connection, timeframe: Timeframe, instrument_ids: Sequence[int], settings: Settings
) -> list[FitInput]:
    """Return what the fits of ``instrument_ids`` are to be made of, all of one snapshot."""
    with conn.transaction():
        read_at, data_xid = begin_reading(conn)
        ends = coverage_ends(conn, timeframe.dataset, instrument_ids)
        spans = {one: newest_span(ends.get(one, 0), timeframe, settings) for one in instrument_ids}
        states: Mapping[int, Sequence[StoredState]] = {}
        parent = parent_of(timeframe)
        if parent is not None:
            known_until = {one: span.end_time for one, span in spans.items()}
            states = newest_states(conn, parent, known_until, limit=PARENT_STATES)
        return [
            FitInput(
                one,
                timeframe,
                read_candles(conn, timeframe, one, span),
                states.get(one, []),
                span,
                read_at,
                data_xid,
            )
            for one, span in spans.items()
        ]


def newest_span(end_ms: int, timeframe: Timeframe, settings: Settings) -> Span:
    """Return the span of the newest candles a channel is fitted on, of series that end there."""
    length_ms = settings.channel_history_candles * timeframe.length_ms
    return Span(max(0, end_ms - length_ms), end_ms)


def make_fit(given: FitInput, *, min_candles: int, seed: int = 0) -> MadeFit:
    """Fit what was read: the same input gives the same fit, bit for bit."""
    parents = [
        as_parent(state.timeframe, state.known_at, state.state, state.state_id)
        for state in given.states
    ]
    fit = fit_channel(
        given.candles, given.timeframe, min_candles=min_candles, parents=parents, seed=seed
    )
    above = parent_segments(given.states[-1].state) if given.states else None
    coherence = measure_coherence(given.candles, fit, parents[-1]) if parents else {}
    features = describe_segments(given.candles, fit, parent=above).assign(
        **describe_begins(given.candles, fit, min_candles=min_candles)
    )
    return MadeFit(fit, features, coherence)


def hash_input(candles: pd.DataFrame, states: Sequence[StoredState]) -> str:
    """Return the SHA-256 over what the candles state and what the parents told, bit by bit."""
    digest = hashlib.sha256()
    for name in STATED_COLUMNS:
        column = candles[name]
        if name == "open_time":
            column = column.dt.tz_convert("UTC").dt.tz_localize(None).astype("datetime64[us]")
        digest.update(column.to_numpy().tobytes())
    for state in states:
        digest.update(f"{state.known_at.isoformat()} {state.sha256}".encode())
    return digest.hexdigest()
