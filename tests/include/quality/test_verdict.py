from typing import Any

import pandas as pd

from include.market.candle import DECLARABLE_COLUMNS
from include.market.timeframe import M1
from include.quality.details import DETAILED
from include.quality.live import judge_live_candles
from include.quality.rules import RULES
from include.quality.verdict import REFUSED_COLUMNS, Verdict, severity
from tests.include.quality.landed_frames import (
    FAR_FUTURE_MS,
    START_MS,
    landed,
    minutes,
    row,
    sound_frame,
)


def judge(
    rows: list[dict[str, Any]],
    server_time_ms: int = FAR_FUTURE_MS,
    absent: tuple[str, ...] = (),
    minutes_asked: int = 100,
) -> Verdict:
    return judge_live_candles(
        landed(rows),
        timeframe=M1,
        span=minutes(minutes_asked),
        server_time_ms=server_time_ms,
        absent=absent,
    )


def refused(verdict: Verdict) -> list[tuple[str, str]]:
    return list(zip(verdict.refused["raw"], verdict.refused["rule"], strict=True))


def test_a_repeated_row_is_kept_once_and_counted() -> None:
    verdict = judge([row(1), row(2), row(1), row(1)])
    assert refused(verdict) == [(row(1)["raw"], "duplicate_row")] * 2
    assert len(verdict.accepted) == 2
    assert verdict.success
    assert verdict.refused_share == 0.0


def test_of_conflicting_rows_the_last_is_kept() -> None:
    verdict = judge(
        [row(1, raw="first"), row(1, close=100.5, raw="second"), row(1, close=100.25, raw="last")]
    )
    assert refused(verdict) == [("first", "duplicate_key"), ("second", "duplicate_key")]
    assert verdict.accepted["close"].tolist() == [100.25]
    assert "close=101.0 (kept 100.25)" in verdict.refused["detail"][0]
    assert verdict.refused_share == 2 / 3


def test_copies_of_the_kept_row_are_told_from_rows_that_contradict_it() -> None:
    verdict = judge([row(1, raw="a"), row(1, close=100.5, raw="b"), row(1, raw="a again")])
    assert refused(verdict) == [("a", "duplicate_row"), ("b", "duplicate_key")]


def test_a_broken_repetition_never_displaces_a_sound_candle() -> None:
    verdict = judge([row(1, raw="sound"), row(1, high=1.0, raw="broken"), row(2)])
    assert refused(verdict) == [("broken", "ohlc_order")]
    assert verdict.accepted["open_time"].astype("int64").tolist() == [
        (START_MS + minute * 60_000) * 1000 for minute in (1, 2)
    ]


def test_a_row_is_refused_once_by_the_first_rule_and_the_others_stand_in_detail() -> None:
    verdict = judge([row(1, low=-5.0, quote_volume=1e6, taker_buy_volume=11.0)])
    assert verdict.refused["rule"].tolist() == ["price_range"]
    detail = verdict.refused["detail"][0]
    assert "expected prices within 1e-12..1e+12, was open=100.0, high=102.0, low=-5.0" in detail
    assert detail.endswith("also breaks taker_volume, quote_volume_unit")


def test_a_missing_value_is_named_in_detail() -> None:
    verdict = judge([row(1, low=None, volume=float("inf"), close_time=None)])
    assert verdict.refused["rule"].tolist() == ["not_a_number"]
    assert "was close_time=NaT, low=nan, volume=inf" in verdict.refused["detail"][0]


POOR: dict[str, Any] = dict.fromkeys(DECLARABLE_COLUMNS)


def test_rows_that_are_silent_in_the_same_columns_are_copies() -> None:
    rows = [row(1, **POOR, raw="a"), row(1, close=100.5, **POOR, raw="b"), row(1, **POOR, raw="c")]
    verdict = judge(rows, absent=DECLARABLE_COLUMNS)
    assert refused(verdict) == [("a", "duplicate_row"), ("b", "duplicate_key")]
    assert verdict.refused["detail"][1].endswith("close=100.5 (kept 101.0)")


def test_what_was_stated_against_the_declaration_is_named_in_detail() -> None:
    absent = ("trade_count", "quote_volume", "close_time")
    verdict = judge([row(1, **POOR | {"trade_count": 0, "taker_buy_volume": 4.0})], absent=absent)
    assert verdict.refused["rule"].tolist() == ["not_a_number"]
    assert (
        "was taker_buy_quote_volume=nan; also breaks undeclared_value, trade_count"
        in (verdict.refused["detail"][0])
    )
    verdict = judge([row(1, quote_volume=None, close_time=None)], absent=absent)
    assert verdict.refused["detail"][0] == (
        "expected nothing in what the source never states: trade_count, quote_volume, close_time, "
        "was trade_count=7.0"
    )
    assert verdict.results["absent"] == ["trade_count", "quote_volume", "close_time"]


def test_a_running_candle_without_close_time_is_told_by_its_open_time() -> None:
    verdict = judge([row(1, close_time=None)], START_MS + 60_001, absent=("close_time",))
    assert verdict.refused["rule"].tolist() == ["unfinished"]
    detail = verdict.refused["detail"][0]
    assert detail.startswith("expected the candle's end before the venue's clock 2023-08-01T00:01")
    assert detail.endswith(", was open_time=2023-08-01T00:01:00.000Z")


def test_running_and_unasked_candles_do_not_hold_a_batch_back() -> None:
    server_ms = START_MS + 6 * 60_000 + 1
    rows = [row(minute) for minute in range(-1, 7)]
    verdict = judge(rows, server_time_ms=server_ms)
    assert verdict.refused["rule"].tolist() == ["outside_span", "unfinished"]
    assert verdict.success
    assert verdict.refused_share == 0.0
    assert verdict.results["refused"] == 2

    faulty = judge([*rows, row(2, high=1.0)], server_time_ms=server_ms)
    assert not faulty.success
    assert faulty.refused_share == 1 / 7


def test_rows_out_of_order_are_sorted_and_counted_not_refused() -> None:
    verdict = judge([row(3), row(1), row(2)])
    assert verdict.accepted["open_time"].is_monotonic_increasing
    assert verdict.results["out_of_order"] == 1
    assert verdict.success
    assert len(verdict.refused) == 0


def test_a_time_no_database_holds_is_left_to_raw() -> None:
    verdict = judge([row(1, open_time=START_MS * 1000), row(2, open_time=-(10**15))])
    assert verdict.refused["open_time"].isna().all()
    assert "open_time=5" in verdict.refused["detail"][0]
    assert verdict.refused["raw"].tolist() == [row(1)["raw"], row(2)["raw"]]


def test_an_empty_batch_is_a_verdict_too() -> None:
    verdict = judge([])
    assert (len(verdict.accepted), len(verdict.refused), verdict.refused_share) == (0, 0, 0.0)
    assert verdict.success
    assert list(verdict.refused.columns) == list(REFUSED_COLUMNS)
    assert verdict.results["rows"] == 0


def test_the_summary_counts_and_shows_a_few_rows() -> None:
    verdict = judge([row(minute, high=1.0) for minute in range(9)] + [row(20)])
    results = verdict.results
    assert (results["rows"], results["accepted"], results["refused"]) == (10, 1, 9)
    assert results["rules"] == {"ohlc_order": 9}
    entry = next(entry for entry in results["expectations"] if entry["rule"] == "ohlc_order")
    assert (entry["success"], entry["unexpected_count"], entry["unexpected_percent"]) == (
        False,
        9,
        90.0,
    )
    assert [example["row"] for example in entry["examples"]] == [0, 1, 2, 3, 4]
    assert entry["examples"][0]["high"] == 1.0
    assert entry["examples"][0]["open_time"] == "2023-08-01T00:00:00.000Z"


def test_beyond_a_thousand_refusals_of_a_rule_the_rule_alone_is_told() -> None:
    broken = [row(minute, high=1.0, raw=f"row {minute}") for minute in range(DETAILED + 3)]
    rare = row(DETAILED + 3, volume=-1.0)
    verdict = judge([*broken, rare], minutes_asked=DETAILED + 10)
    details = verdict.refused["detail"]
    assert len(details) == DETAILED + 4
    assert details[DETAILED - 1].startswith("expected low <= open, close <= high, was open=100.0")
    plain = "expected low <= open, close <= high; its values are in the payload"
    assert details[DETAILED : DETAILED + 3].tolist() == [plain] * 3
    assert "was volume=-1.0" in details[DETAILED + 3]
    assert verdict.results["rules"] == {"volume_range": 1, "ohlc_order": DETAILED + 3}


def test_severities() -> None:
    assert {rule for rule in RULES if severity(rule) == "warn"} == {
        "outside_span",
        "unfinished",
        "duplicate_row",
    }
    assert severity("out_of_order") == "info"


def test_the_landed_frame_is_not_changed() -> None:
    frame = sound_frame(3)
    before = frame.copy(deep=True)
    judge_live_candles(frame, timeframe=M1, span=minutes(3), server_time_ms=FAR_FUTURE_MS)
    pd.testing.assert_frame_equal(frame, before)
