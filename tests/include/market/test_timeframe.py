import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.market.errors import InvalidInputError
from include.market.timeframe import CASCADE, H4, M1, M5, TIMEFRAMES, parse_timeframe


def test_every_arrow_of_the_cascade_fills_whole_buckets() -> None:
    assert CASCADE
    assert all(source.divides(target) for source, target in CASCADE)
    assert not M5.divides(M1)
    assert not M1.divides(M1)


@given(
    st.integers(min_value=-(10**13), max_value=10**13), st.sampled_from(list(TIMEFRAMES.values()))
)
def test_an_instant_lies_in_its_bucket(instant_ms: int, timeframe: object) -> None:
    bucket_ms = timeframe.floor_ms(instant_ms)  # type: ignore[attr-defined]
    length_ms = timeframe.length_ms  # type: ignore[attr-defined]
    assert bucket_ms <= instant_ms < bucket_ms + length_ms
    assert bucket_ms % length_ms == 0
    assert timeframe.ceil_ms(instant_ms) in (bucket_ms, bucket_ms + length_ms)  # type: ignore[attr-defined]


def test_four_hours_are_anchored_at_utc_midnight() -> None:
    midnight_ms = 1_792_800_000_000 // 86_400_000 * 86_400_000
    assert H4.floor_ms(midnight_ms + 3 * 3_600_000) == midnight_ms


def test_an_unknown_timeframe_lists_the_known_ones() -> None:
    with pytest.raises(InvalidInputError, match=r"'7m'.*1m, 5m, 30m, 4h"):
        parse_timeframe("7m")
