"""The verdict over a channel: shown, or declined with the numbers that decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from include.channels.multiple_testing import discovery_threshold
from include.channels.validation import PREVIOUS, RANDOM_WALK, VOLATILITY, ChannelScore
from include.channels.walk_forward import candles_to_judge
from include.market.errors import InvalidInputError

LEVEL = 0.05
"""Chance of showing a channel that is no better than some rival that knows no trend."""
NAMES = {
    RANDOM_WALK: "the random walk's",
    VOLATILITY: "volatility scaling's",
    PREVIOUS: "the previous channel's",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """``reason`` is None exactly when the channel may be shown, else one line of ASCII.

    ``p_value`` is the chance that a channel no better than the best baseline looks this good; None
    when it was not judged.
    """

    p_value: float | None
    reason: str | None


def judge_channel(
    score: ChannelScore | None, *, candles: int, min_candles: int, level: float = LEVEL
) -> Verdict:
    """Return the verdict over a channel fitted on ``candles``.

    It must lose less than the random walk and than volatility scaling, each by more than chance at
    ``level`` allows: the larger of the two p-values decides, which keeps the level whatever the
    dependence between them (Berger, Technometrics 24, 1982). The channel before it must not be
    better by the same measure. That rival has the same trend while it lasts and could be beaten by
    more than chance after breaks only, so no more is asked than not to be worse.

    Raises:
        InvalidInputError: ``level`` is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise InvalidInputError(f"level of publication was {level}: choose one between 0 and 1")
    if candles < min_candles:
        return Verdict(None, f"too few candles: had {candles}, a channel needs {min_candles}")
    if score is None:
        needed = candles_to_judge(min_candles)
        return Verdict(
            None,
            f"too few candles to judge out of sample: had {candles}, the test needs {needed} "
            "without gaps",
        )
    p_values = {name: score.comparisons[name].p_value for name in (RANDOM_WALK, VOLATILITY)}
    p_value = max(p_values.values())
    if p_value >= level:
        return Verdict(p_value, _not_better(score, p_values, level))
    outdone = 1 - score.comparisons[PREVIOUS].p_value
    if score.comparisons[PREVIOUS].mean > 0 and outdone < level:
        return Verdict(p_value, _outdone(score, outdone, level))
    return Verdict(p_value, None)


def crowded_out(p_values: Sequence[float | None], place: int, fdr: float) -> str:
    """Return why the fit at ``place`` is declined although its own p-value was low enough."""
    judged = sum(each is not None for each in p_values)
    threshold = discovery_threshold(p_values, fdr)
    return (
        f"p = {p_values[place]:.2g} is above what a false discovery rate of {fdr:g} over {judged} "
        f"channels judged together allows: {threshold:.3g}"
    )


def _not_better(score: ChannelScore, p_values: dict[str, float], level: float) -> str:
    rivals = " and ".join(
        f"{NAMES[name]} {score.baseline_losses[name]:.6g} (p = {p_value:.2g})"
        for name, p_value in p_values.items()
    )
    return (
        f"out-of-sample pinball loss {score.model_loss:.6g} is not surely below {rivals}: each p "
        f"must be below {level:g} ({score.forecasts} forecasts from {score.origins} origins)"
    )


def _outdone(score: ChannelScore, p_value: float, level: float) -> str:
    return (
        f"out-of-sample pinball loss {score.model_loss:.6g} is above {NAMES[PREVIOUS]} "
        f"{score.baseline_losses[PREVIOUS]:.6g} (p = {p_value:.2g}, below {level:g}; "
        f"{score.forecasts} forecasts from {score.origins} origins)"
    )
