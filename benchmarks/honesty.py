"""How often a channel is published where there is none, and where there is one, and in real months.

    make bench NAME=honesty                 200 simulated series of each kind, and real months
    SERIES=40 make bench NAME=honesty       fewer

Simulated log closes of 600 candles: random walks (normal and heavy-tailed steps, turbulence that
comes and goes) have no trend that helps a forecast, so whatever is published of them is false. Of
straight trends with noise around them channels should be published and cover. Real minutes of two
perpetual futures, August to October 2023, where a folder of recordings is given as MONTHS: refitted
every 12 hours on the newest 1,500 candles and held against the six that came next. Seeds are fixed.
What a parent adds is measured every 48 hours, the same refits without and with it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from contenders.honesty_parents import judge_parents
from scipy.signal import lfilter

from include.channels.channel import ChannelFit, fit_channel
from include.channels.multiple_testing import choose_published
from include.channels.scoring import StepScore, score_outcomes, show_channel, sum_up
from include.market.timeframe import H4, M5, M30, Timeframe

RESULT = Path(__file__).parent / "results" / "honesty.json"
SERIES = int(os.environ.get("SERIES") or "200")
MONTHS = Path(os.environ.get("MONTHS") or "recordings")
CANDLES, AHEAD, MIN_CANDLES, LEVEL = 600, 6, 12, 0.05
HISTORY = 1_500
STEP = pd.Timedelta("12h")

Draw = Callable[[np.random.Generator, int], Any]


def trends(rng: np.random.Generator, count: int) -> Any:
    """Return the path of straight trends of 100 candles each, the first one cut by chance."""
    slopes = np.repeat(0.003 * rng.normal(size=count // 100 + 2), 100)
    return np.cumsum(slopes[rng.integers(100) :][:count])


def turbulence(rng: np.random.Generator, count: int) -> Any:
    """Return a random walk with GARCH(1, 1) steps."""
    steps, variance = np.empty(count), 1e-4
    for place, shock in enumerate(rng.normal(size=count)):
        steps[place] = np.sqrt(variance) * shock
        variance = 2e-6 + 0.1 * steps[place] ** 2 + 0.88 * variance
    return np.cumsum(steps)


KINDS: dict[str, Draw] = {
    "random walk": lambda rng, n: np.cumsum(0.01 * rng.normal(size=n)),
    "random walk, t3 steps": lambda rng, n: np.cumsum(0.01 * rng.standard_t(3, size=n)),
    "random walk, GARCH steps": turbulence,
    "noise around a level": lambda rng, n: 0.01 * rng.normal(size=n),
    "one trend, normal noise": lambda rng, n: 0.001 * np.arange(n) + 0.01 * rng.normal(size=n),
    "trends, normal noise": lambda rng, n: trends(rng, n) + 0.01 * rng.normal(size=n),
    "trends, t3 noise": lambda rng, n: trends(rng, n) + 0.01 * rng.standard_t(3, size=n),
    "trends, AR(.5) noise": lambda rng, n: (
        trends(rng, n) + lfilter([1], [1, -0.5], 0.01 * rng.normal(size=n))
    ),
}


def frame_of(log_close: Any, timeframe: Timeframe) -> pd.DataFrame:
    """Return candles of ``timeframe`` with these log closes."""
    times = pd.date_range("2025-01-01", periods=len(log_close), freq=f"{timeframe.length_ms}ms")
    return pd.DataFrame({"open_time": times.tz_localize("UTC"), "close": np.exp(log_close)})


def simulated(draw: Draw) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Yield what is known and what is known later, a pair per series."""
    for seed in range(SERIES):
        candles = frame_of(11 + draw(np.random.default_rng(seed), CANDLES + AHEAD), H4)
        yield candles.iloc[:CANDLES], candles


def recorded(paths: list[Path], timeframe: Timeframe) -> Iterator[tuple[pd.DataFrame, ...]]:
    """Yield the newest candles known at every half day of the recordings, and what came."""
    minutes = pd.concat([pd.read_csv(path, usecols=["open_time", "close"]) for path in paths])
    minutes["open_time"] = pd.to_datetime(minutes["open_time"], unit="ms", utc=True)
    bucket = minutes["open_time"].dt.floor(f"{timeframe.length_ms}ms")
    candles = minutes.groupby(bucket)["close"].last().reset_index()
    first = min(HISTORY, len(candles) // 2)
    every = int(STEP / pd.Timedelta(timeframe.length_ms, "ms"))
    for end in range(first, len(candles) - AHEAD, every):
        known = candles.iloc[max(0, end - HISTORY) : end]
        yield known, candles.iloc[: end + AHEAD]


def judge(pairs: Iterator[Any], timeframe: Timeframe) -> dict[str, float]:
    """Return how many were published, and how they fared on what came."""
    fits: list[ChannelFit] = []
    shown: list[StepScore] = []
    everyone: list[StepScore] = []
    seconds = 0.0
    for known, later in pairs:
        begun = time.process_time()
        fit = fit_channel(known, timeframe, min_candles=MIN_CANDLES)
        seconds += time.process_time() - begun
        scores = score_outcomes(show_channel(fit, known), later)
        fits.append(fit)
        everyone += scores
        shown += scores if fit.published else []
    chosen = choose_published([fit.p_value for fit in fits], LEVEL)
    validated = [fit.coverage for fit in fits if fit.coverage is not None]
    came, published = sum_up(everyone), sum_up(shown)
    return {
        "fits": len(fits),
        "published": float(np.mean([fit.published for fit in fits])),
        "published after FDR": float(
            np.mean([one and fit.published for one, fit in zip(chosen, fits, strict=True)])
        ),
        "coverage validated": float(np.mean(validated)),
        "coverage ahead": came["coverage"],
        "loss against random walk": came["loss"] / came["baseline_loss"],
        "coverage ahead, published": published.get("coverage", float("nan")),
        "loss against random walk, published": (
            published["loss"] / published["baseline_loss"] if published else float("nan")
        ),
        "CPU ms a fit": 1000 * seconds / len(fits),
    }


def main() -> None:
    """Judge everything and print it."""
    rows: dict[str, dict[str, float]] = {}
    # Compiles what is not compiled yet, before any clock starts.
    fit_channel(next(simulated(KINDS["random walk"]))[0], H4, min_candles=MIN_CANDLES)
    for name, draw in KINDS.items():
        rows[name] = judge(simulated(draw), H4)
        print(name, flush=True)
    for symbol in ("FILUSDT", "NEARUSDT"):
        paths = sorted(MONTHS.glob(f"{symbol}-1m-*.csv.gz"))
        for timeframe in (M5, M30, H4) if paths else ():
            name = f"{symbol} {timeframe.label}"
            rows[name] = judge(recorded(paths, timeframe), timeframe)
            print(name, flush=True)
    rows |= judge_parents(MONTHS, SERIES)
    RESULT.write_text(json.dumps(rows, indent=2) + "\n")
    print(pd.DataFrame(rows).T.round(3).to_string())
    if not any(name.startswith("FIL") for name in rows):
        print(f"no recordings in {MONTHS}: set MONTHS to a folder of SYMBOL-1m-YYYY-MM.csv.gz")


if __name__ == "__main__":
    main()
