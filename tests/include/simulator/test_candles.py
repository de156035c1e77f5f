from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.simulator.candles import (
    Candles,
    decimal_text,
    fold_candles,
    join_candles,
    list_klines,
    list_rows,
)
from include.simulator.catalogue import list_symbol
from include.simulator.interval import INTERVALS, MINUTE_MS, ONE_MINUTE
from include.simulator.protocol import kline_json

START = 29_000_000


def make_candles(gaps: list[int], values: list[int]) -> Candles:
    """Candles at the cumulated gaps (in minutes) whose numbers follow from ``values``."""
    opens = (START + np.cumsum(gaps)) * MINUTE_MS
    base = np.array(values, dtype=np.int64)
    high, low = base + 5, np.maximum(base - 5, 1)
    volume = base % 97
    first_id = 1 + np.cumsum(volume) - volume
    return Candles(
        opens, base, high, low, base + 1, volume, base * volume, volume // 2, base, volume, first_id
    )


rows = st.lists(st.tuples(st.integers(1, 9), st.integers(6, 10**6)), min_size=1, max_size=80)


@given(rows, st.sampled_from([("5m", "30m"), ("15m", "4h"), ("3m", "1d"), ("1h", "1w")]))
def test_folding_twice_is_folding_once(
    drawn: list[tuple[int, int]], labels: tuple[str, str]
) -> None:
    candles = make_candles([gap for gap, _ in drawn], [value for _, value in drawn])
    small, large = (INTERVALS[label] for label in labels)
    once = fold_candles(candles, large)
    twice = fold_candles(fold_candles(candles, small), large)
    for left, right in zip(once.columns(), twice.columns(), strict=True):
        assert left.tolist() == right.tolist()


@given(rows)
def test_a_fold_is_first_max_min_last_and_sums(drawn: list[tuple[int, int]]) -> None:
    candles = make_candles([gap for gap, _ in drawn], [value for _, value in drawn])
    folded = fold_candles(candles, INTERVALS["15m"])
    assert folded.volume.sum() == candles.volume.sum()
    for index, open_ms in enumerate(folded.open_ms.tolist()):
        inside = (candles.open_ms >= open_ms) & (candles.open_ms < open_ms + 900_000)
        assert folded.open[index] == candles.open[inside][0]
        assert folded.close[index] == candles.close[inside][-1]
        assert folded.high[index] == candles.high[inside].max()
        assert folded.low[index] == candles.low[inside].min()
        assert folded.quote[index] == candles.quote[inside].sum()
        assert folded.first_id[index] == candles.first_id[inside][0]


@given(st.integers(0, 10**18))
def test_decimal_text_is_exact(scaled: int) -> None:
    text = decimal_text(scaled)
    whole, _, part = text.partition(".")
    assert len(part) == 8
    assert whole == str(int(whole))
    assert int(whole + part) == scaled


@given(rows, st.sampled_from(["BTCUSDT", "DOGEUSDT", "SHIBUSDT", "ETHBTC"]))
def test_rows_are_the_klines_as_json(drawn: list[tuple[int, int]], symbol: str) -> None:
    candles = make_candles([gap for gap, _ in drawn], [value for _, value in drawn])
    for interval in (ONE_MINUTE, INTERVALS["1M"]):
        folded = fold_candles(candles, interval)
        klines = list_klines(folded, interval, list_symbol(symbol))
        expected = [kline_json(kline) for kline in klines]
        assert list_rows(folded, interval, list_symbol(symbol)) == expected
    assert list_rows(join_candles([]), ONE_MINUTE, list_symbol(symbol)) == []


def test_klines_are_written_on_the_grid() -> None:
    candles = make_candles([1], [6_200_012])
    kline = list_klines(candles, ONE_MINUTE, list_symbol("BTCUSDT"))[0]
    assert kline.open == "62000.12000000"
    assert kline.volume == f"0.000{6_200_012 % 97}000"
    assert kline.close_ms == kline.open_ms + 59_999


@pytest.mark.parametrize("parts", [0, 1, 3])
def test_joining_keeps_all_rows(parts: int) -> None:
    pieces = [make_candles([1 + 10 * part], [100]) for part in range(parts)]
    assert len(join_candles(pieces)) == parts
    assert len(fold_candles(join_candles(pieces), INTERVALS["1h"])) <= max(parts, 0)
