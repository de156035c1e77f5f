import great_expectations.expectations as gxe
import numpy as np
import pandas as pd
import pytest

from include.market.candle import TRUNCATED
from include.market.errors import FinalError
from include.market.timeframe import M1
from include.quality import expectations
from include.quality.alignment import align_landed
from include.quality.candle_expectations import ExpectTradeCountToFollowVolume
from include.quality.expectations import add_limits, run_suite
from include.quality.landed import Terms, normalise_landed
from include.quality.row_expectations import ExpectTimesToFallOnGrid
from include.quality.rules import RULES
from include.quality.suites import landed_candles
from tests.include.quality.landed_frames import (
    FAR_FUTURE_MS,
    MINUTE_MS,
    START_MS,
    landed,
    minutes,
    row,
    sound_frame,
)

TERMS = Terms(M1, minutes(10), FAR_FUTURE_MS)


def aligned(frame: pd.DataFrame, terms: Terms = TERMS) -> pd.DataFrame:
    return align_landed(normalise_landed(frame), terms)


def test_the_suite_guards_every_rule_with_a_severity() -> None:
    stated = landed_candles()
    assert {one.rule for one in stated} == (set(RULES) - {"duplicate_row"}) | {"out_of_order"}
    severities = {one.rule: one.severity for one in stated}
    assert severities["ohlc_order"] == "block"
    assert severities["unfinished"] == "warn"
    assert severities["out_of_order"] == "info"


def test_the_suite_leans_on_great_expectations_own_and_on_registered_custom_ones() -> None:
    kinds = {type(one.expectation) for one in landed_candles()}
    assert {gxe.ExpectCompoundColumnsToBeUnique, gxe.ExpectColumnValuesToNotBeNull} <= kinds
    assert {ExpectTimesToFallOnGrid, ExpectTradeCountToFollowVolume} <= kinds


def test_every_unexpected_row_is_returned_not_a_sample() -> None:
    rows = [row(minute, high=1.0) if minute % 2 else row(minute) for minute in range(2000)]
    terms = Terms(M1, minutes(2000), FAR_FUTURE_MS)
    (findings,) = run_suite([(aligned(landed(rows), terms), terms)])
    assert np.array_equal(findings.breaches["ohlc_order"], np.arange(2000) % 2 == 1)


def test_a_run_is_silent(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING")
    run_suite([(aligned(sound_frame(3)), TERMS)])
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""
    assert caplog.messages == []


def test_an_expectation_that_cannot_be_evaluated_accepts_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lose_a_column(batch: pd.DataFrame, terms: Terms, number: int) -> pd.DataFrame:
        return add_limits(batch, terms, number).drop(columns="grid_time")

    monkeypatch.setattr(expectations, "add_limits", lose_a_column)
    with pytest.raises(FinalError, match=r"could not evaluate .*grid_time"):
        run_suite([(aligned(sound_frame(3)), TERMS)])


def test_limits_of_a_row() -> None:
    beside = row(3, open_time=START_MS + 3 * MINUTE_MS + 40_000)
    limits = add_limits(aligned(landed([row(1), row(2, open_time=None), beside])), TERMS)
    first = limits.iloc[0]
    assert first["grid_time"] == first["open_time"]
    assert (first["excess_us"], first["since_start_us"]) == (0, 60_000_000)
    assert limits["grid_time"].iloc[1] is pd.NaT
    assert np.isnan(limits["excess_us"].iloc[1])
    assert limits["grid_time"].iloc[2] == pd.Timestamp(
        START_MS + 3 * MINUTE_MS, unit="ms", tz="UTC"
    )


def test_a_candle_found_cut_short_by_a_halt_has_no_wrong_length() -> None:
    short = row(9, close_time=START_MS + 9 * MINUTE_MS + 20_000)
    frame = aligned(landed([row(8), short]))
    limits = add_limits(frame.assign(flags=[0, TRUNCATED]), TERMS)
    assert limits["excess_us"].tolist() == [0, 0]
    assert add_limits(frame.assign(flags=0), TERMS)["excess_us"].iloc[1] < 0
