"""Benjamini and Hochberg, held against their definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.channels.multiple_testing import choose_published, discovery_threshold
from include.market.errors import InvalidInputError


def test_the_example_of_the_paper() -> None:
    # Benjamini and Hochberg (1995), section 3.2: the first four are rejected at 0.05.
    p_values = [
        0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240,
        0.4262, 0.5719, 0.6528, 0.7590, 1.0,
    ]  # fmt: skip
    assert choose_published(p_values, 0.05) == [True] * 4 + [False] * 11


@given(
    p_values=st.lists(st.none() | st.floats(0, 1), max_size=12),
    fdr=st.floats(0.01, 0.5),
)
def test_the_largest_rank_that_passes_decides(p_values: list[float | None], fdr: float) -> None:
    judged = sorted(each for each in p_values if each is not None)
    count = len(judged)
    passing = [rank for rank, each in enumerate(judged, 1) if each <= fdr * rank / count]
    chosen = choose_published(p_values, fdr)
    assert sum(chosen) == (passing[-1] if passing else 0)
    assert not any(one and other is None for one, other in zip(chosen, p_values, strict=True))
    told = [each for one, each in zip(chosen, p_values, strict=True) if one]
    assert told == [] or max(told) <= discovery_threshold(p_values, fdr)


def test_who_was_not_judged_makes_no_one_dearer() -> None:
    assert choose_published([0.04, None, None, None], 0.05) == [True, False, False, False]
    assert choose_published([0.04, 0.9], 0.05) == [False, False]
    assert choose_published([], 0.05) == []


def test_few_of_many_that_know_nothing_are_chosen() -> None:
    rng = np.random.default_rng(1)
    runs = [any(choose_published(list(rng.uniform(size=40)), 0.05)) for _ in range(2000)]
    # All null: the share of runs with any discovery is the false discovery rate.
    assert np.mean(runs) == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / 2000))


@pytest.mark.parametrize("p_value", [-0.1, 1.1, float("nan")])
def test_what_is_no_p_value_is_refused(p_value: float) -> None:
    with pytest.raises(InvalidInputError, match="pass None for a fit that was not judged"):
        choose_published([0.5, p_value], 0.05)
    with pytest.raises(InvalidInputError, match="false discovery rate was 1"):
        choose_published([0.5], 1)
