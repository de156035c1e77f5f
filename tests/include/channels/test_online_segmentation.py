"""A search that is extended finds what a search over everything finds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.channels.noise import clip_spikes
from include.channels.online_segmentation import (
    OnlineSegmentation,
    begin_online,
    extend_online,
    freeze_noise,
    restore_online,
)
from include.channels.segmentation import cut_optimally
from include.market.errors import InvalidInputError


def draw_series(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return values with trends, heavy tails and spikes, and times with holes."""
    rng = np.random.default_rng(seed)
    slopes = np.repeat(rng.normal(scale=0.5, size=count // 40 + 1), 40)[:count]
    values = 100 + np.cumsum(slopes) + rng.standard_t(3, size=count)
    values[rng.integers(count, size=count // 50)] += 30
    return values, np.cumsum(rng.choice([1.0, 1.0, 1.0, 7.0], size=count))


def states_equal(one: OnlineSegmentation, other: OnlineSegmentation) -> bool:
    left, right = one.to_arrays(), other.to_arrays()
    return left.keys() == right.keys() and all(
        np.array_equal(left[name], right[name]) for name in left
    )


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    begun=st.integers(24, 500),
    steps=st.lists(st.integers(1, 90), min_size=1, max_size=8),
    min_length=st.integers(3, 12),
)
def test_extending_equals_searching_everything(
    seed: int, begun: int, steps: list[int], min_length: int
) -> None:
    count = begun + sum(steps)
    values, times = draw_series(seed, count)
    noise = freeze_noise(values[:begun])
    likely = np.unique(np.random.default_rng(seed).integers(1, count, size=5))
    state = begin_online(
        values[:begun], min_length=min_length, times=times[:begun], noise=noise,
        likely_breaks=likely[likely < begun],
    )  # fmt: skip
    for end in itertools.accumulate(steps, initial=begun):
        if end > begun:
            new = slice(state.count, end)
            inside = likely[(likely >= new.start) & (likely < end)]
            state = extend_online(state, values[new], times[new], inside)
    whole = begin_online(
        values, min_length=min_length, times=times, noise=noise, likely_breaks=likely
    )
    assert state.count == count
    assert states_equal(state, whole)
    found = state.cut()
    assert found == whole.cut()
    prices = np.full(count + 1, noise.penalty)
    prices[likely] = noise.likely_price
    clean = clip_spikes(values, noise.spike)
    bounds, objective = cut_optimally(clean / noise.scale, times, min_length, prices)
    assert found.bounds == bounds
    assert found.objective == pytest.approx(objective, rel=1e-9)


def test_one_value_at_a_time_over_a_long_calm_series() -> None:
    rng = np.random.default_rng(4)
    values = rng.normal(size=1500)
    values[1100:] += 0.05 * np.arange(400)
    noise = freeze_noise(values[:900])
    state = begin_online(values[:900], min_length=12, noise=noise)
    for place in range(900, 1500):
        state = extend_online(state, values[place : place + 1])
    whole = begin_online(values, min_length=12, noise=noise)
    assert states_equal(state, whole)
    assert state.cut() == whole.cut()
    assert len(state.cut().bounds) == 2


def test_a_stored_search_goes_on_as_if_it_had_never_stopped() -> None:
    values, times = draw_series(7, 400)
    state = begin_online(values[:300], min_length=12, times=times[:300])
    stored = {name: part.copy() for name, part in state.to_arrays().items()}
    later = extend_online(restore_online(stored), values[300:], times[300:])
    assert states_equal(later, extend_online(state, values[300:], times[300:]))
    assert all(np.array_equal(stored[name], part) for name, part in state.to_arrays().items())


def test_extending_leaves_the_former_search_as_it_was() -> None:
    values, times = draw_series(8, 300)
    state = begin_online(values[:200], min_length=12, times=times[:200])
    before = state.cut()
    extend_online(state, values[200:], times[200:])
    assert state.cut() == before
    assert extend_online(state, np.empty(0)) is state


def test_the_noise_is_stale_when_the_series_has_grown_by_an_eighth() -> None:
    values, _ = draw_series(9, 300)
    state = begin_online(values[:200], min_length=12)
    assert not extend_online(state, values[200:225]).stale
    assert extend_online(state, values[200:226]).stale


def test_what_cannot_be_gone_on_with_is_refused() -> None:
    values, times = draw_series(10, 100)
    with pytest.raises(InvalidInputError, match="going on needs 24"):
        begin_online(values[:23], min_length=12)
    with pytest.raises(InvalidInputError, match="no noise"):
        begin_online(np.ones(50), min_length=12)
    state = begin_online(values, min_length=12, times=times)
    with pytest.raises(InvalidInputError, match="known ones end at"):
        extend_online(state, values[:1], times[-1:])
    with pytest.raises(InvalidInputError, match="is nan"):
        extend_online(state, np.array([np.nan]))
    with pytest.raises(InvalidInputError, match="likely break 99 is not a new value"):
        extend_online(state, values[:2], likely_breaks=[99])
