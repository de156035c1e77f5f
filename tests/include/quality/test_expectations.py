import great_expectations.expectations as gxe
import numpy as np
import pandas as pd
import pytest

from include.market.errors import FinalError
from include.market.timeframe import M1
from include.quality import expectations
from include.quality.candle_expectations import (
    ExpectColumnValuesToFallOnGrid,
    ExpectTradeCountToFollowVolume,
)
from include.quality.expectations import add_limits, build_suite, open_context, run_suite
from include.quality.landed import Terms, normalise_landed
from include.quality.rules import RULES
from tests.include.quality.landed_frames import FAR_FUTURE_MS, landed, minutes, row, sound_frame

TERMS = Terms(M1, minutes(10), FAR_FUTURE_MS)


def test_the_suite_guards_every_rule_with_a_severity() -> None:
    open_context()
    suite = build_suite(M1)
    rules = {expectation.meta["rule"] for expectation in suite.expectations}
    assert rules == (set(RULES) - {"duplicate_row"}) | {"out_of_order"}
    severities = {e.meta["rule"]: e.severity.value for e in suite.expectations}
    assert severities["ohlc_order"] == "critical"
    assert severities["unfinished"] == "warning"
    assert severities["out_of_order"] == "info"


def test_the_suite_leans_on_great_expectations_own_and_on_registered_custom_ones() -> None:
    open_context()
    kinds = {type(expectation) for expectation in build_suite(M1).expectations}
    assert {gxe.ExpectCompoundColumnsToBeUnique, gxe.ExpectColumnValuesToNotBeNull} <= kinds
    assert {ExpectColumnValuesToFallOnGrid, ExpectTradeCountToFollowVolume} <= kinds


def test_every_unexpected_row_is_returned_not_a_sample() -> None:
    rows = [row(minute, high=1.0) if minute % 2 else row(minute) for minute in range(2000)]
    terms = Terms(M1, minutes(2000), FAR_FUTURE_MS)
    (findings,) = run_suite([(normalise_landed(landed(rows)), terms)])
    assert np.array_equal(findings.breaches["ohlc_order"], np.arange(2000) % 2 == 1)


def test_a_run_is_silent_and_tells_nobody(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING")
    run_suite([(normalise_landed(sound_frame(3)), TERMS)])
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""
    assert caplog.messages == []
    assert open_context().config.analytics_enabled is False


def test_an_expectation_that_cannot_be_evaluated_accepts_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lose_a_column(batch: pd.DataFrame, terms: Terms, number: int) -> pd.DataFrame:
        return add_limits(batch, terms, number).drop(columns="body_low")

    monkeypatch.setattr(expectations, "add_limits", lose_a_column)
    with pytest.raises(FinalError, match=r"could not evaluate .*body_low"):
        run_suite([(normalise_landed(sound_frame(3)), TERMS)])


def test_limits_of_a_row() -> None:
    limits = add_limits(normalise_landed(landed([row(1), row(2, open_time=None)])), TERMS)
    first = limits.iloc[0]
    assert (first["body_low"], first["body_high"]) == (100.0, 101.0)
    assert first["least_quote_volume"] == pytest.approx(989.901, abs=1e-6)
    assert first["most_quote_volume"] == pytest.approx(1020.102, abs=1e-6)
    assert first["length_us"] == 60_000_000
    assert np.isnan(limits["length_us"].iloc[1])
