"""Has a market begun to behave otherwise? Windows of an instrument against its own past.

A settled window is held against the reference before it, cut into blocks as long as the window.
Four distances between the window's values and the reference's, the season taken out of both:

* ``psi``: population stability index, the symmetrised Kullback-Leibler divergence of the shares in
  tenths of the reference (Siddiqi, "Credit Risk Scorecards", 2006; 0.1 is its first threshold);
* ``ks``: Kolmogorov-Smirnov distance, the largest difference of two distribution functions;
* ``js``: Jensen-Shannon distance, base 2, of the same shares (Lin, IEEE Trans. IT 37, 1991);
* ``shift``: difference of the means, in log size; 0.69 is a doubling.

Their textbook p-values take values for independent, which candles are not: volatility clusters,
and every week would be a drift. So each reference block is measured against the other blocks just
as the window is, and the window's distance is a drift only as far as it lies beyond what the
blocks' own distances spread: Student's t for one more observation from their population (method of
batch means, Conway 1963; distances on a log scale). What dependence is left between neighbouring
blocks is estimated from all series of a run together and taken off the number of blocks.

The four p-values of a measure become one by Simes' rule (Biometrika 73, 1986), those of all
measures of all series of a run are adjusted by Benjamini and Hochberg's (J. R. Stat. Soc. B 57,
1995): at most the share ``fdr`` of the drifts told is expected to be none, and as often a run over
markets that do not drift tells of any.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from include.market.errors import InvalidInputError
from include.market.span import Span
from include.market.timeframe import DAY_MS, Timeframe
from include.quality.drift_measures import (
    BlockSums,
    Floats,
    Ints,
    Measure,
    add_up,
    measure,
    present,
    without_season,
)

Distance: TypeAlias = Literal["psi", "ks", "js", "shift"]
DISTANCES: Final[tuple[Distance, ...]] = get_args(Distance)

LEAST_BLOCKS: Final = 8
"""Blocks a reference needs before anything is said."""
LEAST_PRESENT: Final = 0.8
"""Share of its candles a block must hold to be used; an outage is no drift."""
MATERIAL_PSI: Final = 0.1
"""Drifts below it may be certain, and matter to nobody."""
_FINE: Final = 60
_TENTHS: Final = 10
_FEW: Final = 100
_NOISE: Final[Mapping[Distance, float]] = {"psi": 0.01, "ks": 0.01, "js": 0.01}
"""Added before the logarithm, so that two distances of nothing are alike."""
_LEAST_SPREAD: Final[Mapping[Distance, float]] = {"psi": 0.3, "ks": 0.2, "js": 0.2, "shift": 0.05}
"""Blocks that agree by luck, or because a venue writes zeros, spread at least so much."""
_MOST_DEPENDENCE: Final = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftPlan:
    """Lengths in whole UTC days: of the window, and of the reference that may lie before it."""

    window_days: int
    reference_days: int

    def __post_init__(self) -> None:
        """Refuse a reference that never holds enough blocks."""
        if self.window_days < 1 or self.reference_days < LEAST_BLOCKS * self.window_days:
            raise InvalidInputError(
                f"drift needs a reference of {LEAST_BLOCKS} windows: was {self.reference_days} "
                f"days for windows of {self.window_days}; raise drift_reference_days"
            )

    def window(self, end_ms: int) -> Span:
        """Return the window that ends at ``end_ms``."""
        return Span(end_ms - self.window_days * DAY_MS, end_ms)

    def reach(self, end_ms: int) -> Span:
        """Return window and reference together, in whole blocks."""
        blocks = 1 + self.reference_days // self.window_days
        return Span(end_ms - blocks * self.window_days * DAY_MS, end_ms)


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """One measure of one series: the window's distances, and those of every reference block.

    ``blocks`` are in the order of time; their distances are to all others of the reference.
    ``changed_ms`` is the midnight at which the measure most likely changed, if it did.
    """

    measure: Measure
    window: Span
    reference: Span
    candles: int
    distances: dict[Distance, float]
    blocks: dict[Distance, Floats]
    changed_ms: int


def gather_evidence(
    frame: pd.DataFrame, timeframe: Timeframe, end_ms: int, plan: DriftPlan
) -> list[Evidence]:
    """Return the evidence on each measure of a sorted candle frame; none where data are too few.

    ``end_ms`` is where the window ends, a UTC midnight.
    """
    reach = plan.reach(end_ms)
    length_ms = plan.window_days * DAY_MS
    opens, found = measure(frame, timeframe)
    inside = (opens >= reach.start_ms) & (opens < reach.end_ms)
    opens = opens[inside]
    # Block 0 is the oldest, the last one is the window.
    block = (opens - reach.start_ms) // length_ms
    count = (reach.end_ms - reach.start_ms) // length_ms
    needed = LEAST_PRESENT * length_ms / timeframe.length_ms
    evidence = []
    for name in present(found):
        values = found[name][inside]
        held = np.bincount(block[~np.isnan(values)], minlength=count)
        usable = held >= max(needed, 1.0)
        if usable[-1] and np.count_nonzero(usable[:-1]) >= LEAST_BLOCKS:
            evidence.append(_weigh(name, values, opens, block, usable, reach, plan))
    return evidence


def _weigh(
    name: Measure,
    values: Floats,
    opens: Ints,
    block: Ints,
    usable: np.ndarray[tuple[int], np.dtype[np.bool_]],
    reach: Span,
    plan: DriftPlan,
) -> Evidence:
    known = ~np.isnan(values) & usable[block]
    values, opens, block = values[known], opens[known], block[known]
    count, last = len(usable), len(usable) - 1
    reference = usable.copy()
    reference[last] = False
    sums = add_up(values, opens, block, count)
    relative = without_season(values, opens, sums, sums.season(reference))
    blind = _seen_from_outside(values, opens, block, sums, reference)
    scale = _Scale(relative[block < last], block[block < last], count)
    numbers = np.flatnonzero(reference).tolist()
    own = [scale.distances(blind[block == number], without=number) for number in numbers]
    window = Span(reach.start_ms + last * plan.window_days * DAY_MS, reach.end_ms)
    return Evidence(
        measure=name,
        window=window,
        reference=Span(reach.start_ms + numbers[0] * plan.window_days * DAY_MS, window.start_ms),
        candles=int(np.count_nonzero(block == last)),
        distances=scale.distances(relative[block == last], without=None),
        blocks={kind: np.array([one[kind] for one in own]) for kind in DISTANCES},
        changed_ms=_most_likely_change(relative, opens, window),
    )


def _seen_from_outside(
    values: Floats,
    opens: Ints,
    block: Ints,
    sums: BlockSums,
    reference: np.ndarray[tuple[int], np.dtype[np.bool_]],
) -> Floats:
    """Return each reference block relative to the season of the others, as the window is seen."""
    blind = np.empty_like(values)
    for number in np.flatnonzero(reference):
        others = reference.copy()
        others[number] = False
        own = block == number
        blind[own] = without_season(values[own], opens[own], sums, sums.season(others))
    return blind


class _Scale:
    """Bins made of the reference, and how its blocks fill them."""

    def __init__(self, relative: Floats, block: Ints, count: int) -> None:
        steps = np.linspace(0, 1, _FINE + 1)[1:-1]
        self._fine = np.unique(np.quantile(relative, steps))
        self._means = np.bincount(block, weights=relative, minlength=count)
        self._sizes = np.bincount(block, minlength=count).astype(np.float64)
        typical = float(np.median(self._sizes[self._sizes > 0]))
        tenths = _TENTHS if typical >= _FEW else _TENTHS // 2
        self._edges = np.unique(np.quantile(relative, np.linspace(0, 1, tenths + 1)[1:-1]))
        self._filled = self._fill(relative, block, self._fine, count)
        self._shared = self._fill(relative, block, self._edges, count)

    def distances(self, values: Floats, *, without: int | None) -> dict[Distance, float]:
        """Return the distances of ``values`` to the reference, one block of it left out."""
        from scipy.spatial.distance import jensenshannon

        kept = np.ones(len(self._sizes), dtype=np.bool_)
        if without is not None:
            kept[without] = False
        size = self._sizes[kept].sum()
        reached = np.cumsum(self._filled[kept].sum(axis=0))[:-1] / size
        own = np.cumsum(np.bincount(self._bin(values, self._fine), minlength=len(self._fine) + 1))
        shares = _smooth(self._shared[kept].sum(axis=0))
        filled = _smooth(
            np.bincount(self._bin(values, self._edges), minlength=len(self._edges) + 1)
        )
        return {
            "psi": float(((filled - shares) * np.log(filled / shares)).sum()),
            "ks": float(np.abs(own[:-1] / len(values) - reached).max(initial=0.0)),
            "js": float(jensenshannon(filled, shares, base=2.0)),
            "shift": float(values.mean() - self._means[kept].sum() / size),
        }

    def _fill(self, values: Floats, block: Ints, edges: Floats, count: int) -> Floats:
        bins = len(edges) + 1
        cells = block * bins + self._bin(values, edges)
        filled = np.bincount(cells, minlength=count * bins).astype(np.float64)
        return filled.reshape(count, bins)

    @staticmethod
    def _bin(values: Floats, edges: Floats) -> Ints:
        # A tie belongs below its edge on both sides, so that runs of zeros fall into one bin.
        return np.searchsorted(edges, values, side="left")


def _smooth(counts: np.ndarray[tuple[int], np.dtype[np.number]]) -> Floats:
    """Return shares of counts, none of them zero (half a count is added to each)."""
    shares: Floats = (counts + 0.5) / (counts.sum() + 0.5 * len(counts))
    return shares


def _most_likely_change(relative: Floats, opens: Ints, window: Span) -> int:
    """Return the midnight that best splits the days around the window's start in two levels.

    The largest weighted difference of means (CUSUM; Page, Biometrika 41, 1954), from one window
    before its start on.
    """
    reach_ms = window.start_ms - (window.end_ms - window.start_ms)
    recent = opens >= reach_ms
    day = (opens[recent] - reach_ms) // DAY_MS
    days = int((window.end_ms - reach_ms) // DAY_MS)
    total = np.bincount(day, weights=relative[recent], minlength=days)
    count = np.bincount(day, minlength=days).astype(np.float64)
    before, after = np.cumsum(count)[:-1], count.sum() - np.cumsum(count)[:-1]
    if not len(before) or not (before * after).any():
        return window.start_ms
    left = np.cumsum(total)[:-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        gap = np.abs(left / before - (total.sum() - left) / after)
        strength = np.nan_to_num(gap * np.sqrt(before * after / count.sum()))
    return int(reach_ms + (1 + int(np.argmax(strength))) * DAY_MS)


@dataclass(frozen=True, slots=True)
class DriftVerdict:
    """The judgement over one measure of one series: ``drifted`` when certain and large enough.

    ``p_value`` is Simes' of the four distances, ``q_value`` the one adjusted for all of the run.
    """

    evidence: Evidence
    p_value: float
    q_value: float
    drifted: bool


def judge_run(evidence: Sequence[Evidence], *, fdr: float) -> list[DriftVerdict]:
    """Judge all evidence of one run together, in its order.

    Raises:
        InvalidInputError: ``fdr`` is no share between 0 and 1.
    """
    if not 0 < fdr < 1:
        raise InvalidInputError(f"drift_fdr was {fdr}: expected a share between 0 and 1, as 0.05")
    if not evidence:
        return []
    from scipy.stats import false_discovery_control

    dependence = {
        kind: _dependence([_scored(kind, one.blocks[kind]) for one in evidence])
        for kind in DISTANCES
    }
    p_values = np.array([_simes(_p_values(one, dependence)) for one in evidence])
    q_values = false_discovery_control(p_values, method="bh")
    return [
        DriftVerdict(
            one, float(p), float(q), bool(q <= fdr and one.distances["psi"] >= MATERIAL_PSI)
        )
        for one, p, q in zip(evidence, p_values, q_values, strict=True)
    ]


def _scored(kind: Distance, values: Floats) -> Floats:
    """Return distances on the scale on which they spread alike: logs, a shift as it is."""
    if kind == "shift":
        return values
    scored: Floats = np.log(values + _NOISE[kind])
    return scored


def _dependence(series: Sequence[Floats]) -> float:
    """Return the correlation of neighbouring blocks, over all series of the run together.

    Deviations from a mean of so few are negatively correlated by themselves, by one over their
    number; that is put back.
    """
    products = squares = blocks = 0.0
    for values in series:
        off = values - values.mean()
        spread = float((off * off).sum())
        if spread > 0:
            products += float((off[1:] * off[:-1]).sum()) / spread
            squares += 1.0
            blocks += len(values)
    if not squares:
        return 0.0
    found = products / squares + squares / blocks
    return float(np.clip(found, 0.0, _MOST_DEPENDENCE))


def _p_values(one: Evidence, dependence: Mapping[Distance, float]) -> list[float]:
    from scipy.stats import t as student

    p_values = []
    for kind in DISTANCES:
        blocks = _scored(kind, one.blocks[kind])
        value = float(_scored(kind, np.array([one.distances[kind]]))[0])
        # Neighbours that are alike tell less: of the mean, and (by the square) of the spread, which
        # around a mean of their own comes out too small besides (Bayley, Hammersley 1946).
        rho, count = dependence[kind], len(blocks)
        for_mean = max(3.0, count * (1 - rho) / (1 + rho))
        for_spread = max(3.0, count * (1 - rho**2) / (1 + rho**2))
        widened = (1 - 1 / count) / (1 - 1 / for_mean)
        spread = max(float(blocks.std(ddof=1)) * widened**0.5, _LEAST_SPREAD[kind])
        score = (value - float(blocks.mean())) / (spread * (1 + 1 / for_mean) ** 0.5)
        if kind == "shift":
            p_values.append(2 * float(student.sf(abs(score), for_spread - 1)))
        else:
            p_values.append(float(student.sf(score, for_spread - 1)))
    return p_values


def _simes(p_values: Sequence[float]) -> float:
    """Return one p-value for several of one hypothesis, right also where they go together."""
    ranked = np.sort(p_values)
    return float(min(1.0, (ranked * len(ranked) / np.arange(1, len(ranked) + 1)).min()))
