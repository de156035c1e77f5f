"""What the channel of a coarser timeframe does to forecasts of a finer one: the same refits twice.

A parent's states are those of its own candles that had closed by then: 24 past ones, three candles
apart, and the newest, as after a history that came all at once. The parents have no parents.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.signal import lfilter

from include.channels.channel import ChannelFit, fit_channel
from include.channels.channel_state import as_parent, describe_state, trace_states
from include.channels.coherence import measure_coherence
from include.channels.hierarchy import ParentChannel
from include.channels.loss_comparison import compare_losses
from include.channels.scoring import StepScore, score_outcomes, show_channel, sum_up
from include.market.timeframe import H4, M5, M30, Timeframe

Case = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]
"""A child's candles that are known, those and what came, and its parent's that are known."""

AHEAD, MIN_CANDLES, HISTORY = 6, 12, 1_500
STEP = pd.Timedelta("48h")
TREND, WINDOW, PAST = 800, 240, 2_400
"""Simulated: candles of a trend, of the child's window, and all that the parent sees."""
PARENTS: dict[Timeframe, Timeframe] = {M30: H4, M5: M30}


def read_minutes(paths: list[Path]) -> pd.DataFrame:
    """Return open time, close and volume of recorded minutes."""
    columns = ["open_time", "close", "volume"]
    minutes = pd.concat([pd.read_csv(path, usecols=columns) for path in paths])
    minutes["open_time"] = pd.to_datetime(minutes["open_time"], unit="ms", utc=True)
    return minutes


def gather(finer: pd.DataFrame, timeframe: Timeframe) -> pd.DataFrame:
    """Return candles of ``timeframe`` made of finer ones."""
    bucket = finer["open_time"].dt.floor(f"{timeframe.length_ms}ms")
    rule = {"close": "last", "volume": "sum"}
    return finer.groupby(bucket).agg(rule).reset_index()


def closed_by(candles: pd.DataFrame, timeframe: Timeframe, instant: pd.Timestamp) -> pd.DataFrame:
    """Return the newest candles that had closed at ``instant``."""
    ends = candles["open_time"] + pd.Timedelta(timeframe.length_ms, "ms")
    return candles[ends <= instant].iloc[-HISTORY:]


def recorded_cases(minutes: pd.DataFrame, child: Timeframe) -> Iterator[Case]:
    """Yield a case for every ``STEP`` of the recordings, once the child has all its candles."""
    candles, above = gather(minutes, child), gather(minutes, PARENTS[child])
    length = pd.Timedelta(child.length_ms, "ms")
    for end in range(HISTORY, len(candles) - AHEAD, int(STEP / length)):
        known = candles.iloc[end - HISTORY : end]
        instant = known["open_time"].iloc[-1] + length
        yield known, candles.iloc[: end + AHEAD], closed_by(above, PARENTS[child], instant)


def simulated_cases(series: int) -> Iterator[Case]:
    """Yield long trends under noise of autocorrelation 0.8, the child's window a third of one."""
    for seed in range(series):
        rng = np.random.default_rng(seed)
        count = PAST + AHEAD
        slopes = np.repeat(0.0005 * rng.normal(size=count // TREND + 2), TREND)
        path = np.cumsum(slopes[rng.integers(TREND) :][:count])
        noise = lfilter([1], [1, -0.8], 0.01 * rng.normal(size=count))
        times = pd.date_range("2025-01-01", periods=count, freq="30min", tz="UTC")
        candles = pd.DataFrame(
            {"open_time": times, "close": np.exp(11 + path + noise), "volume": 1.0}
        )
        yield candles.iloc[PAST - WINDOW : PAST], candles, gather(candles.iloc[:PAST], H4)


def states_of(candles: pd.DataFrame, timeframe: Timeframe) -> list[ParentChannel]:
    """Return what the parent told, oldest first, each from the candles until then alone."""
    fit = fit_channel(candles, timeframe, min_candles=MIN_CANDLES)
    traced = trace_states(candles, timeframe, min_candles=MIN_CANDLES, taus=fit.taus)
    parents = [as_parent(timeframe, *one) for one in traced]
    volumes = pd.DataFrame({"volume_per_hour": np.full(len(fit.segments), np.nan)})
    state = describe_state(fit, volumes)
    if state is not None:
        parents.append(as_parent(timeframe, fit.segments[-1].end_time, state))
    return parents


def compare_parents(cases: Iterator[Case], child: Timeframe) -> dict[str, dict[str, float]]:
    """Return how the same refits fare without and with parents."""
    alone: list[tuple[ChannelFit, list[StepScore]]] = []
    led: list[tuple[ChannelFit, list[StepScore]]] = []
    agreed: list[dict[str, float]] = []
    for known, later, above in cases:
        parents = states_of(above, PARENTS[child])
        for results, given in ((alone, []), (led, parents)):
            fit = fit_channel(known, child, min_candles=MIN_CANDLES, parents=given)
            results.append((fit, score_outcomes(show_channel(fit, known), later)))
        agreed.append(measure_coherence(known, led[-1][0], parents[-1]))
    differences = np.array(
        [sum_up(b)["loss"] - sum_up(a)["loss"] for (_, a), (_, b) in zip(alone, led, strict=True)]
    )
    without, parented = _fared(alone), _fared(led)
    test = compare_losses(differences)
    parented |= {
        "loss against without": parented["loss"] / without["loss"],
        "loss difference": test.mean,
        "two-sided p": 2 * min(test.p_value, 1 - test.p_value),
        **_pulls([fit for fit, _ in led]),
        **{name: float(np.mean([one[name] for one in agreed])) for name in agreed[0]},
    }
    return {"without parents": without, "with parents": parented}


def _fared(results: list[tuple[ChannelFit, list[StepScore]]]) -> dict[str, float]:
    came = sum_up([one for _, scores in results for one in scores])
    validated = [fit.coverage for fit, _ in results if fit.coverage is not None]
    return {
        "fits": len(results),
        "published": float(np.mean([fit.published for fit, _ in results])),
        "coverage validated": float(np.mean(validated)),
        "coverage ahead": came["coverage"],
        "loss": came["loss"],
        "loss against random walk": came["loss"] / came["baseline_loss"],
    }


def _pulls(fits: list[ChannelFit]) -> dict[str, float]:
    """Return the share of fits that chose each weight."""
    shares: dict[str, float] = {}
    for name in ("parent_weight", "parent_position_weight"):
        counts = pd.Series([fit.scores.get(name, np.nan) for fit in fits]).value_counts(
            normalize=True
        )
        shares |= {f"{name} {weight:g}": float(share) for weight, share in counts.items()}
    return dict(sorted(shares.items()))


def judge_parents(months: Path, series: int) -> dict[str, dict[str, float]]:
    """Return rows with and without parents: the simulated case, and recordings where given."""
    named = {"long trends 30m": compare_parents(simulated_cases(min(max(series, 8), 40)), M30)}
    for symbol in ("FILUSDT", "NEARUSDT"):
        paths = sorted(months.glob(f"{symbol}-1m-*.csv.gz"))
        for child in PARENTS if paths else ():
            cases = recorded_cases(read_minutes(paths), child)
            named[f"{symbol} {child.label}"] = compare_parents(cases, child)
    return {f"{name}, {kind}": row for name, rows in named.items() for kind, row in rows.items()}
