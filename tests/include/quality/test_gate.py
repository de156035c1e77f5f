"""Great Expectations' verdict against the numpy form, and on recorded batches."""

import json
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.market.candle import (
    ABSENT_COUNT,
    CANDLE_COLUMNS,
    DECLARABLE_COLUMNS,
    LANDED_COLUMNS,
    OPTIONAL_COLUMNS,
)
from include.market.errors import ContractError
from include.market.span import Span
from include.market.timeframe import M1, M5, Timeframe
from include.quality.expectations import evaluate
from include.quality.gaps import find_gaps
from include.quality.gate import LandedBatch, judge_batches, judge_candles
from include.quality.live import judge_live_candles
from include.quality.verdict import Found, Verdict
from tests.include.quality.landed_frames import (
    FAR_FUTURE_MS,
    declared_batches,
    landed,
    minutes,
    row,
    server_times,
    sound_frame,
)
from tests.include.quality.recorded import (
    read_binance_csv,
    read_bybit_csv,
    read_recorded_klines,
)


def whole_span(frame: pd.DataFrame, timeframe: Timeframe) -> Span:
    opens = frame["open_time"].astype("int64") // 1000
    return Span(int(opens.min()), int(opens.max()) + timeframe.length_ms)


def judge(frame: pd.DataFrame, timeframe: Timeframe = M1) -> Verdict:
    return judge_candles(
        frame,
        timeframe=timeframe,
        span=whole_span(frame, timeframe),
        server_time_ms=FAR_FUTURE_MS,
    )


spans = st.sampled_from([minutes(11), minutes(8, first=2), minutes(1)])


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(declared_batches(), spans, server_times), min_size=1, max_size=4))
def test_batches_judged_together_by_great_expectations_get_the_verdicts_numpy_gives_each(
    landings: list[tuple[tuple[list[dict[str, Any]], tuple[str, ...]], Span, int]],
) -> None:
    together = judge_batches(
        [
            LandedBatch(landed(rows), span, server_ms, absent)
            for (rows, absent), span, server_ms in landings
        ],
        timeframe=M1,
    )
    for verdict, ((rows, absent), span, server_ms) in zip(together, landings, strict=True):
        twin = judge_live_candles(
            landed(rows), timeframe=M1, span=span, server_time_ms=server_ms, absent=absent
        )
        pd.testing.assert_frame_equal(verdict.accepted, twin.accepted, check_exact=True)
        pd.testing.assert_frame_equal(verdict.refused, twin.refused)
        assert (verdict.success, verdict.refused_share) == (twin.success, twin.refused_share)
        assert verdict.results["rules"] == twin.results["rules"]
        assert verdict.results["out_of_order"] == twin.results["out_of_order"]
        assert len(verdict.accepted) + len(verdict.refused) == len(rows)
        json.dumps(verdict.results, allow_nan=False)


def test_each_batch_of_a_run_answers_for_its_own_declaration_alone() -> None:
    poor = landed([row(minute, **dict.fromkeys(DECLARABLE_COLUMNS)) for minute in range(3)])
    rich = sound_frame(3)
    verdicts = judge_batches(
        [
            LandedBatch(frame, minutes(3), FAR_FUTURE_MS, absent)
            for frame in (poor, rich)
            for absent in ((), DECLARABLE_COLUMNS)
        ],
        timeframe=M1,
    )
    assert [verdict.results["rules"] for verdict in verdicts] == [
        {"not_a_number": 3},
        {},
        {},
        {"undeclared_value": 3},
    ]
    accepted = verdicts[1].accepted
    assert accepted[list(OPTIONAL_COLUMNS[:3])].isna().all(axis=None)
    assert accepted["trade_count"].tolist() == [ABSENT_COUNT] * 3
    assert accepted["volume"].tolist() == [10.0] * 3


def test_no_batches_give_no_verdicts() -> None:
    assert judge_batches([], timeframe=M1) == []


def test_a_sound_batch_is_accepted_whole_by_great_expectations() -> None:
    frame = sound_frame(50)
    verdict = judge_candles(frame, timeframe=M1, span=minutes(50), server_time_ms=FAR_FUTURE_MS)
    assert verdict.success
    assert verdict.results["engine"].startswith("great_expectations 1.")
    assert all(entry["success"] for entry in verdict.results["expectations"])
    expected = frame.assign(flags=0)[list(CANDLE_COLUMNS)].astype({"trade_count": "int64"})
    pd.testing.assert_frame_equal(verdict.accepted, expected, check_exact=True)


def test_the_verdict_does_come_from_the_suite(monkeypatch: pytest.MonkeyPatch) -> None:
    import include.quality.expectations as suite_module

    def without_prices(suite: str, frame: pd.DataFrame) -> list[Found]:
        return [one for one in evaluate(suite, frame) if one.rule != "price_range"]

    monkeypatch.setattr(suite_module, "evaluate", without_prices)
    verdict = judge_candles(
        landed([row(1, low=0.0)]), timeframe=M1, span=minutes(5), server_time_ms=FAR_FUTURE_MS
    )
    assert len(verdict.accepted) == 1


def test_an_empty_batch_is_legal() -> None:
    for frame in (sound_frame(0), pd.DataFrame(columns=list(LANDED_COLUMNS))):
        verdict = judge_candles(frame, timeframe=M1, span=minutes(5), server_time_ms=FAR_FUTURE_MS)
        assert verdict.success
        assert len(verdict.accepted) == 0
        assert len(verdict.refused) == 0
        assert str(verdict.accepted["trade_count"].dtype) == "int64"


def test_a_frame_without_its_columns_is_a_contract_error() -> None:
    with pytest.raises(ContractError, match="lacks close_time"):
        judge_candles(
            sound_frame(2).drop(columns="close_time"),
            timeframe=M1,
            span=minutes(5),
            server_time_ms=FAR_FUTURE_MS,
        )


@pytest.mark.parametrize("symbol", ["FILUSDT", "NEARUSDT"])
@pytest.mark.parametrize("month", ["08", "09", "10"])
def test_real_binance_months_are_accepted_whole(symbol: str, month: str) -> None:
    frame = read_binance_csv(f"binance_usdm_1m/{symbol}-1m-2023-{month}.csv.gz")
    verdict = judge(frame)
    assert verdict.results["rules"] == {}
    assert len(verdict.accepted) == len(frame) >= 43_200
    opens = verdict.accepted["open_time"].astype("int64") // 1000
    assert find_gaps(opens.to_numpy(), M1, whole_span(frame, M1)) == []


@pytest.mark.parametrize(("name", "timeframe"), [("1m", M1), ("5m", M5)])
def test_real_bybit_candles_are_accepted_whole(name: str, timeframe: Timeframe) -> None:
    frame = read_bybit_csv(f"bybit_linear/ADAUSDT_{name}.csv.gz", timeframe)
    verdict = judge(frame, timeframe)
    assert verdict.results["rules"] == {}
    assert len(verdict.accepted) == len(frame) >= 8_640


@pytest.mark.parametrize("endpoint", ["/api/v3/klines", "/fapi/v1/klines"])
def test_recorded_rest_answers_are_accepted_whole(endpoint: str) -> None:
    frames = [frame for frame in read_recorded_klines(endpoint) if len(frame) >= 60]
    assert len(frames) >= 3
    for frame in frames:
        lasting = frame["close_time"].iloc[0] - frame["open_time"].iloc[0]
        length_ms = int(lasting.total_seconds() * 1000) + 1
        verdict = judge(frame, Timeframe(length_ms, f"{length_ms} ms"))
        assert verdict.results["rules"] == {}


def test_a_csv_that_a_spreadsheet_rounded_is_refused_whole() -> None:
    frame = read_binance_csv("rest_recorded/bbgo_BTCUSDT-1h-2023-11-18.csv.gz")
    verdict = judge(frame, Timeframe(3_600_000, "1h"))
    assert len(verdict.accepted) == 0
    assert len(verdict.refused) == len(frame) == 25
    assert verdict.refused_share == 1.0
    # 1.70028E+12 happens to be a full hour; its close time, rounded as well, gives it away.
    assert verdict.results["rules"] == {"off_grid": 22, "truncated_candle": 3}


def test_the_running_minute_of_a_real_month_waits_for_its_end() -> None:
    frame = read_binance_csv("binance_usdm_1m/FILUSDT-1m-2023-08.csv.gz").iloc[:1000]
    last_close_ms = int(frame["close_time"].astype("int64").iloc[-1] // 1000)
    for server_ms, accepted in [(last_close_ms, 999), (last_close_ms + 1, 1000)]:
        verdict = judge_candles(
            frame, timeframe=M1, span=whole_span(frame, M1), server_time_ms=server_ms
        )
        assert len(verdict.accepted) == accepted
        assert verdict.success
