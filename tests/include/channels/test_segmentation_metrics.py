"""Scores are those of the published protocol."""

from __future__ import annotations

import pytest

from include.channels.segmentation_metrics import covering, f1_score
from include.market.errors import InvalidInputError


def test_the_trivial_break_counts_on_both_sides() -> None:
    assert f1_score([[]], []) == 1.0
    # Precision 1 of 1, recall 1 of 3.
    assert f1_score([[40, 80]], []) == pytest.approx(0.5)
    # Precision 1 of 2, recall 1 of 1.
    assert f1_score([[]], [50]) == pytest.approx(2 / 3)


def test_a_break_within_the_margin_is_met_once() -> None:
    assert f1_score([[50]], [55]) == 1.0
    assert f1_score([[50]], [56]) == pytest.approx(0.5)
    # Two found near one true: precision 2 of 3, recall 1.
    assert f1_score([[50]], [49, 51]) == pytest.approx(0.8)
    assert f1_score([[50]], [56], margin=6) == 1.0


def test_precision_is_against_all_annotators_and_recall_averages_them() -> None:
    # Found 0 and 50: both met by the union; recall 1 and 1/2.
    assert f1_score([[50], [90]], [50]) == pytest.approx(2 * 0.75 / 1.75)


def test_covering_weighs_overlap_by_length() -> None:
    assert covering([[50]], [50], 100) == 1.0
    assert covering([[50]], [], 100) == pytest.approx(0.5)
    assert covering([[]], [50], 100) == pytest.approx(0.5)
    # True 0-50 and 50-100, found 0-60 and 60-100: 50/60 and 40/50, half each.
    assert covering([[50]], [60], 100) == pytest.approx(0.5 * (50 / 60 + 40 / 50))
    assert covering([[50], []], [50], 100) == pytest.approx(0.75)


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="no annotation"):
        f1_score([], [])
    with pytest.raises(InvalidInputError, match="no annotation"):
        covering([], [], 10)
    with pytest.raises(InvalidInputError, match="break 10 is outside"):
        covering([[10]], [], 10)
