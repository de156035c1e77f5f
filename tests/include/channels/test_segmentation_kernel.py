"""The proof that retires a candidate holds exactly where it should."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from include.channels.segmentation_kernel import _is_dominated


def describe_line(times: np.ndarray, values: np.ndarray) -> tuple[float, ...]:
    """Return count, mean time, mean value, spread of time, slope, residual squares."""
    slope, height = np.polyfit(times - times.mean(), values, 1)
    rest = values - height - slope * (times - times.mean())
    spread = float(np.sum((times - times.mean()) ** 2))
    return (len(times), times.mean(), values.mean(), spread, slope, float(np.sum(rest**2)))


def least_on_the_border(
    earlier: tuple[np.ndarray, np.ndarray], later: tuple[np.ndarray, np.ndarray], handicap: float
) -> float:
    """Return the least residual squares on ``later`` among lines that leave ``handicap`` earlier.

    Those lines are an ellipse around the best line of ``earlier``: 20,000 of them are tried.
    """
    times, values = earlier
    design = np.column_stack([np.ones(len(times)), times])
    best = np.linalg.lstsq(design, values, rcond=None)[0]
    spare = handicap - float(np.sum((values - design @ best) ** 2))
    angles = np.linspace(0, 2 * np.pi, 20_000)
    circle = np.sqrt(spare) * np.column_stack([np.cos(angles), np.sin(angles)])
    border = best + circle @ np.linalg.inv(np.linalg.cholesky(design.T @ design))
    after = np.column_stack([np.ones(len(later[0])), later[0]])
    rests = later[1][:, None] - after @ border.T
    return float(np.min(np.sum(rests**2, axis=0)))


@settings(max_examples=150)
@given(
    seed=st.integers(0, 2**32 - 1),
    before=st.integers(3, 30),
    after=st.integers(3, 60),
    spare=st.floats(0.1, 40.0),
)
def test_a_candidate_is_retired_where_the_border_costs_too_much_and_only_there(
    seed: int, before: int, after: int, spare: float
) -> None:
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.integers(1, 4, size=before + after)).astype(float)
    values = 5 + 0.1 * times + rng.normal(size=before + after)
    whole, own = describe_line(times, values), describe_line(times[before:], values[before:])
    lines = tuple(np.array(pair) for pair in zip(whole, own, strict=True))
    earlier, later = (times[:before], values[:before]), (times[before:], values[before:])
    handicap = describe_line(*earlier)[5] + spare
    inside = values[:before] - own[2] - own[4] * (times[:before] - own[1])
    least = least_on_the_border(earlier, later, handicap)
    gain = least - own[5]
    assume(gain > 0.01)
    if float(np.sum(inside**2)) >= handicap:
        assert not _is_dominated(lines, 1, 0, handicap, own[5] * 0.5)
        return
    assert not _is_dominated(lines, 1, 0, handicap, least + 0.01 * gain)
    assert _is_dominated(lines, 1, 0, handicap, least - 0.1 * gain)


def test_the_best_line_itself_must_lie_inside() -> None:
    times = np.arange(20.0)
    lines = tuple(
        np.array(pair)
        for pair in zip(
            describe_line(times, times), describe_line(times[10:], times[10:]), strict=True
        )
    )
    assert not _is_dominated(lines, 1, 0, -1.0, 0.0)
    assert _is_dominated(lines, 1, 0, 1.0, 0.0) == pytest.approx(True)
