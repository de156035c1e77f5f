"""How far lines follow the parent timeframe, by what followed better before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from include.channels.hierarchy import ParentChannel, apply_parent, apply_position
from include.channels.log_closes import LogCloses
from include.channels.newest_trend import known_parent
from include.channels.noise import Array
from include.channels.origin_lines import OriginLines, pinball_losses

FEWEST_ORIGINS = 8
"""Forecasts with a parent from fewer origins choose nothing: the parent is left out."""


@dataclass(frozen=True, slots=True)
class ParentPull:
    """Share of the way to the parent's slope, and of the way to the middle of its band."""

    slope: float
    position: float


PULLS = tuple(ParentPull(*each) for each in product((0.0, 0.25, 0.5, 0.75, 1.0), (0.0, 0.1, 0.3)))
"""What there is to choose from; the first one leaves the parent out."""
NO_PULL = PULLS[0]


def pull_lines(
    closes: LogCloses,
    lines: OriginLines,
    outcomes: Array,
    *,
    taus: tuple[float, ...],
    parents: Sequence[ParentChannel],
) -> tuple[OriginLines, ParentPull]:
    """Return the lines, each pulled as was chosen at its origin, and what is chosen for now.

    At every origin the choice is by the outcomes that were known then (``choose_pulls``), and the
    parent is the one known then. ``outcomes``: (origins, horizon).
    """
    pulled = np.repeat(lines.lines[:, None], len(PULLS), axis=1)
    known = np.zeros(len(lines.origins), dtype=bool)
    for row, origin in enumerate(lines.origins):
        parent = known_parent(parents, closes, int(origin))
        if parent is not None:
            known[row] = True
            pulled[row] = pull_each_way(closes, lines.span(row), lines.lines[row], parent)
    losses = np.column_stack(
        [
            _losses(closes, replace(lines, lines=pulled[:, column]), outcomes, taus)
            for column in range(len(PULLS))
        ]
    )
    chosen = choose_pulls(losses, known)
    rows = np.arange(len(lines.origins))
    return replace(lines, lines=pulled[rows, chosen[:-1]]), PULLS[chosen[-1]]


def pull_each_way(
    closes: LogCloses,
    span: slice,
    lines: Array,
    parent: ParentChannel,
    pulls: Sequence[ParentPull] = PULLS,
) -> Array:
    """Return the lines, (pulls, taus, 2), of the segment ``span``, tilted around its middle, moved.

    All lines tilt by the middle one's way to the parent's slope, so they stay apart.
    """
    slope = float(lines[len(lines) // 2, 1])
    tilts = {each: apply_parent(slope, parent, each) for each in {one.slope for one in pulls}}
    last, close_ms = float(closes.logs[span.stop - 1]), closes.close_ms(span.stop - 1)
    shifts = {
        each: apply_position(last, close_ms, parent, each)
        for each in {one.position for one in pulls}
    }
    middle = float(closes.hours[span.stop - 1] - closes.hours[span.start]) / 2
    moves = [(shifts[one.position] - tilts[one.slope] * middle, tilts[one.slope]) for one in pulls]
    return np.asarray(lines + np.array(moves)[:, None, :])


def pull_once(
    closes: LogCloses, span: slice, lines: Array, parent: ParentChannel, pull: ParentPull
) -> Array:
    """Return the lines, (taus, 2), under one pull; see ``pull_each_way``."""
    return np.asarray(pull_each_way(closes, span, lines, parent, [pull])[0])


def choose_pulls(losses: Array, known: Array) -> list[int]:
    """Return the place in ``PULLS`` for every origin, and one more for a forecast made now.

    ``losses``, (origins, pulls); ``known``, (origins,): whether there was a parent. Each is chosen
    by the origins before it with a parent: the least mean loss, if it is below that without a
    parent by more than one standard error of the difference, else no pull.
    """
    return [_choose(losses[:origin][known[:origin]]) for origin in range(len(losses) + 1)]


def _choose(losses: Array) -> int:
    if len(losses) < FEWEST_ORIGINS:
        return 0
    gains = losses[:, :1] - losses
    best = int(np.argmax(gains.mean(axis=0)))
    error = float(np.std(gains[:, best], ddof=1)) / np.sqrt(len(losses))
    return best if float(gains[:, best].mean()) > error else 0


def _losses(
    closes: LogCloses, lines: OriginLines, outcomes: Array, taus: tuple[float, ...]
) -> Array:
    """Return the mean pinball loss at each origin, 0 where nothing came."""
    forecasts = lines.extend(closes, lines.origins, outcomes.shape[1])
    losses = pinball_losses(outcomes, forecasts, taus)
    counts = np.isfinite(outcomes).sum(axis=1)
    return np.asarray(np.nansum(losses, axis=(1, 2)) / np.maximum(counts, 1) / len(taus))
