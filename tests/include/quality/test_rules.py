from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from include.market.candle import DECLARABLE_COLUMNS
from include.market.errors import ContractError
from include.market.timeframe import M1
from include.quality.alignment import align_landed
from include.quality.landed import Terms, normalise_landed
from include.quality.rules import BENIGN_RULES, RULES, count_out_of_order, find_breaches
from tests.include.quality.landed_frames import (
    FAR_FUTURE_MS,
    START_MS,
    declared_batches,
    landed,
    minutes,
    row,
    server_times,
)
from tests.include.quality.naive_alignment import align
from tests.include.quality.naive_judge import broken_rules

TERMS = Terms(M1, minutes(10), FAR_FUTURE_MS)


def broken(terms: Terms = TERMS, **changes: Any) -> list[str]:
    breaches = find_breaches(
        align_landed(normalise_landed(landed([row(3, **changes)])), terms), terms
    )
    return [rule for rule in RULES if rule in breaches and breaches[rule][0]]


def test_every_rule_but_the_settled_one_has_a_mask_and_benign_rules_exist() -> None:
    breaches = find_breaches(align_landed(normalise_landed(landed([])), TERMS), TERMS)
    assert set(RULES) - set(breaches) == {"duplicate_row"}
    assert set(RULES) > BENIGN_RULES


def test_a_sound_row_breaks_nothing() -> None:
    assert broken() == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"open": None}, ["not_a_number"]),
        ({"open_time": None}, ["not_a_number"]),
        ({"close_time": None}, ["not_a_number"]),
        ({"trade_count": None}, ["not_a_number"]),
        (
            {"high": float("inf")},
            ["not_a_number", "price_range"],
        ),
        ({"low": 0.0}, ["price_range"]),
        ({"low": -1.0}, ["price_range"]),
        ({"low": 0.9e-12}, ["price_range"]),
        ({"low": 1e-12}, []),
        ({"high": 1.000001e12}, ["price_range"]),
        ({"high": 1e12}, []),
        ({"taker_buy_volume": -1e-9}, ["volume_range"]),
        ({"taker_buy_volume": -0.0}, []),
        ({"volume": 1.1e18}, ["volume_range", "quote_volume_unit"]),
        ({"high": 100.9}, ["ohlc_order"]),
        ({"low": 100.1, "quote_volume": 1010.0}, ["ohlc_order"]),
        ({"low": 100.0}, []),
        ({"high": 101.0}, []),
        ({"taker_buy_volume": 10.1}, ["taker_volume"]),
        ({"taker_buy_volume": 10.0}, []),
        ({"taker_buy_quote_volume": 1000.1}, ["taker_volume"]),
        ({"quote_volume": 989.8}, ["quote_volume_unit"]),
        ({"quote_volume": 1020.2}, ["quote_volume_unit"]),
        ({"quote_volume": 989.95}, []),
        ({"quote_volume": 1020.05}, []),
        ({"trade_count": 0}, ["trade_count"]),
        ({"trade_count": 1.5}, ["trade_count"]),
        ({"trade_count": -1}, ["trade_count"]),
        ({"trade_count": 2 * 10**12}, ["trade_count"]),
        # Cut off with nothing after it, it is kept; ended before it began, or too long, it is not.
        ({"close_time": START_MS + 3 * 60_000 + 59_998}, []),
        ({"close_time": START_MS + 3 * 60_000 - 1}, ["truncated_candle"]),
        ({"close_time": START_MS + 3 * 60_000 + 60_000}, ["truncated_candle"]),
        ({"open_time": START_MS + 210_000, "close_time": START_MS + 269_999}, ["off_grid"]),
        ({"open_time": START_MS + 180_001, "close_time": START_MS + 240_000}, []),
        # The close is that of neither the moved candle nor of one that begins late.
        (
            {"open_time": START_MS + 180_001, "close_time": START_MS + 239_000},
            ["off_grid", "truncated_candle"],
        ),
    ],
)
def test_each_rule_alone(changes: dict[str, Any], expected: list[str]) -> None:
    assert broken(**changes) == expected


EVERYTHING = dict.fromkeys(DECLARABLE_COLUMNS)


@pytest.mark.parametrize(
    ("absent", "changes", "expected"),
    [
        (DECLARABLE_COLUMNS, EVERYTHING, []),
        (("trade_count",), {"trade_count": None}, []),
        # What is declared is declared for its own column alone.
        (("trade_count",), {"quote_volume": None, "trade_count": None}, ["not_a_number"]),
        (DECLARABLE_COLUMNS, EVERYTHING | {"volume": None}, ["not_a_number"]),
        # Any value at all gives a wrong declaration away, zero and nonsense included.
        (("trade_count",), {"trade_count": 0}, ["undeclared_value", "trade_count"]),
        (("trade_count",), {"trade_count": -1}, ["undeclared_value", "trade_count"]),
        (
            ("quote_volume",),
            {"quote_volume": float("inf")},
            ["undeclared_value", "volume_range", "quote_volume_unit"],
        ),
        (("close_time",), {}, ["undeclared_value"]),
        # A column that is stated is judged as ever, beside absent ones.
        (
            ("taker_buy_quote_volume", "close_time"),
            {"taker_buy_quote_volume": None, "close_time": None, "quote_volume": 1e6},
            ["quote_volume_unit"],
        ),
        (
            ("close_time",),
            {"close_time": None, "open_time": START_MS + 210_000},
            ["off_grid"],
        ),
        (("close_time",), {"close_time": None, "open_time": None}, ["not_a_number"]),
    ],
)
def test_columns_declared_absent_hold_nothing_and_the_others_all(
    absent: tuple[str, ...], changes: dict[str, Any], expected: list[str]
) -> None:
    assert broken(Terms(M1, minutes(10), FAR_FUTURE_MS, absent), **changes) == expected


def test_a_candle_without_close_time_is_final_when_its_bucket_is_over() -> None:
    last_ms = START_MS + 180_000 + 59_999
    for server_ms, expected in [(last_ms + 1, []), (last_ms, ["unfinished"])]:
        terms = Terms(M1, minutes(10), server_ms, ("close_time",))
        assert broken(terms, close_time=None) == expected


def test_no_source_can_declare_away_what_every_candle_needs() -> None:
    for name in ("open_time", "close", "volume", "raw", "nonsense"):
        with pytest.raises(ContractError, match=f"declared absent: expected .*, was {name}; "):
            Terms(M1, minutes(10), FAR_FUTURE_MS, ("trade_count", name))


def test_a_silent_minute_is_sound_and_a_count_without_volume_is_not() -> None:
    silent: dict[str, Any] = dict.fromkeys(
        ("volume", "quote_volume", "taker_buy_volume", "taker_buy_quote_volume"), 0.0
    )
    flat: dict[str, Any] = dict.fromkeys(("open", "high", "low", "close"), 100.0)
    assert broken(**silent, **flat, trade_count=0) == []
    assert broken(**silent, **flat, trade_count=3) == ["trade_count"]


def test_finality_and_future_are_told_by_the_venues_clock() -> None:
    opens_ms = START_MS + 180_000
    last_ms = opens_ms + 59_999
    for server_ms, expected in [
        (last_ms + 1, []),
        (last_ms, ["unfinished"]),
        (opens_ms, ["unfinished"]),
        (opens_ms - 1, ["unfinished"]),
        (opens_ms - 60_000, ["unfinished"]),
        (opens_ms - 60_001, ["in_future", "unfinished"]),
    ]:
        assert broken(Terms(M1, minutes(10), server_ms)) == expected


def test_the_span_is_half_open() -> None:
    assert broken(Terms(M1, minutes(1, first=3), FAR_FUTURE_MS)) == []
    assert broken(Terms(M1, minutes(3), FAR_FUTURE_MS)) == ["outside_span"]
    assert broken(Terms(M1, minutes(3, first=4), FAR_FUTURE_MS)) == ["outside_span"]


def test_rows_out_of_order_are_counted_past_missing_times() -> None:
    frame = landed([row(2), row(3), row(9, open_time=None), row(1), row(1), row(4)])
    assert count_out_of_order(normalise_landed(frame)) == 1


@settings(max_examples=100, deadline=None)
@given(declared_batches(), server_times)
def test_the_masks_equal_a_plain_reading_of_each_row(
    batch: tuple[list[dict[str, Any]], tuple[str, ...]], server_ms: int
) -> None:
    rows, absent = batch
    terms = Terms(M1, minutes(11), server_ms, absent)
    breaches = find_breaches(align_landed(normalise_landed(landed(rows)), terms), terms)
    aligned = align(rows, terms.span, server_ms, absent)
    for place, plain in enumerate(aligned):
        found = [rule for rule in RULES[:-2] if breaches[rule][place]]
        assert found == broken_rules(plain, terms.span, server_ms, absent), plain
    opens = [plain["open_time"] for plain in aligned]
    repeated = [time is not None and opens.count(time) > 1 for time in opens]
    assert np.array_equal(breaches["duplicate_key"], np.array(repeated, dtype=bool))


def test_what_the_batch_tells_against_a_time_is_a_rule_of_its_own() -> None:
    def in_seconds(minute: int) -> dict[str, Any]:
        made = row(minute)
        return made | {name: made[name] // 1000 for name in ("open_time", "close_time")}

    def late(minute: int) -> dict[str, Any]:
        made = row(minute)
        return made | {name: made[name] + 9_000 for name in ("open_time", "close_time")}

    for rows, expected in [
        ([row(0), in_seconds(1)], [None, "time_unit"]),
        ([row(0), *map(in_seconds, (1, 2, 3))], ["mixed_units"] * 4),
        ([row(0), late(0)], [None, "snap_conflict"]),
    ]:
        breaches = find_breaches(align_landed(normalise_landed(landed(rows)), TERMS), TERMS)
        found = [
            next((rule for rule in RULES if rule in breaches and breaches[rule][at]), None)
            for at in range(len(rows))
        ]
        assert found == expected
