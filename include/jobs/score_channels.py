"""Hold published channels against what came after them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from include.channels.channel import ChannelFit
from include.channels.scoring import ShownChannel, score_outcomes, show_channel
from include.channels.walk_forward import choose_horizon
from include.market.settings import Settings
from include.market.span import Span, from_ms
from include.market.timeframe import Timeframe
from include.warehouse.candles import read_candles
from include.warehouse.engine import Connection
from include.warehouse.outcomes import Outcome, PublishedChannel, published_near, replace_outcomes

LEAST_REACH: Final = 64
"""Published channels are looked for at least so many candles before a change, and further where the
settings judge them further ahead. A former setting may have reached further than today's."""


@dataclass(frozen=True, slots=True)
class Scored:
    """Outcomes computed anew, of all channels that a change concerns."""

    channel_ids: Sequence[int]
    rows: Sequence[Outcome]

    def store(self, conn: Connection) -> None:
        """Replace what was stored of these channels, where it differs."""
        replace_outcomes(conn, self.channel_ids, self.rows)


def score_changed(
    conn: Connection, timeframe: Timeframe, settings: Settings, changed: Mapping[int, Span]
) -> Scored:
    """Score every published channel of ``timeframe`` whose outcomes lie in a changed span.

    A candle that came, was revised or was withdrawn is a change alike; all outcomes of a channel it
    concerns are computed again. Nothing is written yet.
    """
    reach = max(LEAST_REACH, choose_horizon(settings.segment_min_candles))
    channels = published_near(conn, timeframe, changed, reach_ms=reach * timeframe.length_ms)
    by_instrument: dict[int, list[PublishedChannel]] = defaultdict(list)
    for channel in channels:
        by_instrument[channel.instrument_id].append(channel)
    rows = []
    for instrument_id, own in by_instrument.items():
        first_ms = min(channel.end_ms for channel in own)
        last_ms = max(channel.end_ms + channel.horizon * timeframe.length_ms for channel in own)
        candles = read_candles(conn, timeframe, instrument_id, Span(first_ms, last_ms))
        for channel in own:
            rows += score_published(channel, candles, timeframe)
    return Scored([channel.channel_id for channel in channels], rows)


def score_published(
    channel: PublishedChannel, candles: pd.DataFrame, timeframe: Timeframe
) -> list[Outcome]:
    """Return what became of a channel at each candle of ``candles`` within its horizon.

    Its lines are extended as they were shown: calibrated, and sorted where they cross.
    """
    shown = ShownChannel(
        timeframe=timeframe,
        start_time=from_ms(channel.start_ms),
        known_at=from_ms(channel.end_ms),
        taus=channel.taus,
        intercepts=tuple(intercept + move for intercept, _, move in channel.lines),
        slopes=tuple(slope for _, slope, _ in channel.lines),
        baseline=channel.rival,
    )
    return [
        Outcome(
            channel.channel_id,
            score.step,
            score.tau,
            from_ms(channel.end_ms + score.step * timeframe.length_ms),
            score.loss,
            score.baseline_loss,
            score.below,
        )
        for score in score_outcomes(shown, candles)
    ]


def freeze_rival(candles: pd.DataFrame, fit: ChannelFit) -> dict[str, Any]:
    """Return what the random walk foretells of the candles after ``candles``, a row per step.

    Kept with the channel that is published now, so that both are held against the same closes.
    """
    rows = [list(row) for row in show_channel(fit, candles).baseline]
    return {"rival": "random_walk", "taus": list(fit.taus), "steps": rows}
