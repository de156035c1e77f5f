import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.cascade.exact_sum import sum_columns

volumes = st.one_of(
    st.floats(min_value=0, max_value=1e18, allow_subnormal=True),
    st.decimals(min_value=0, max_value=10**9, places=5).map(float),
    st.integers(min_value=0, max_value=2**60).map(float),
    # Halfway cases: one ulp and half ulps apart, where rounding twice goes wrong.
    st.sampled_from([1.0, 2.0**53, 2.0**-53, 2.0**-54, 2.0**-106, 5e-324, 0.0, 1.0 + 2**-52]),
)
signed = st.one_of(volumes, volumes.map(lambda value: -value))


def columns_of(terms: st.SearchStrategy[float]) -> st.SearchStrategy[list[list[float]]]:
    return st.integers(min_value=1, max_value=10).flatmap(
        lambda height: st.lists(
            st.lists(terms, min_size=height, max_size=height), min_size=1, max_size=6
        )
    )


def bits(value: float) -> str:
    return value.hex()


@settings(max_examples=600, deadline=None)
@given(st.one_of(columns_of(volumes), columns_of(signed)))
def test_sums_equal_fsum_to_the_bit(columns: list[list[float]]) -> None:
    sums = sum_columns(np.array(columns).T)
    assert [bits(value) for value in sums.tolist()] == [
        bits(math.fsum(column)) for column in columns
    ]


@settings(max_examples=200, deadline=None)
@given(st.lists(volumes, min_size=1, max_size=6))
def test_order_and_padding_with_zeros_change_no_bit(terms: list[float]) -> None:
    expected = bits(math.fsum(terms))
    for order in itertools.islice(itertools.permutations(terms), 0, 720, 37):
        padded = np.array([[value] for value in (*order, 0.0, 0.0)])
        assert bits(sum_columns(padded)[0]) == expected


def test_the_terms_where_plain_addition_loses() -> None:
    terms = np.array([[0.1] * 2, [0.2, 1e18], [0.3, 0.1]])
    assert math.fsum([0.1, 0.2, 0.3]) != (0.1 + 0.2) + 0.3
    assert sum_columns(terms).tolist() == [0.6, math.fsum([0.1, 1e18, 0.1])]


def test_a_tie_broken_by_a_tiny_third_term_is_rounded_the_right_way() -> None:
    # 1 + 2^-53 is a tie that rounds to 1; anything more, however small, rounds up.
    column = [1.0, 2.0**-53, 2.0**-200]
    up = math.nextafter(1.0, 2.0)
    for order in itertools.permutations(column):
        assert sum_columns(np.array([[value] for value in order]))[0] == up


def test_silence_is_plus_zero() -> None:
    assert bits(sum_columns(np.array([[-0.0], [-0.0]]))[0]) == bits(0.0)
    assert sum_columns(np.zeros((3, 0))).tolist() == []


def test_a_sum_beyond_doubles_is_an_error_and_not_infinity() -> None:
    with pytest.raises(OverflowError):
        sum_columns(np.array([[1.7e308], [1.7e308]]))


def test_ordinary_volumes_never_need_the_slow_way(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(7)
    terms = np.round(generator.lognormal(mean=5, sigma=4, size=(8, 2000)), 5)
    expected = [math.fsum(column) for column in terms.T]

    def refuse(column: list[float]) -> float:
        raise AssertionError(f"fell back to fsum for {column}")

    monkeypatch.setattr(math, "fsum", refuse)
    assert sum_columns(terms).tolist() == expected
