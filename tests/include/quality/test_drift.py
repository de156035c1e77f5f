"""Drift is seen where a market changed, and not where it only breathes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.market.errors import InvalidInputError
from include.market.span import Span
from include.market.timeframe import DAY_MS, H4, M30, Timeframe
from include.quality.drift import (
    DISTANCES,
    LEAST_BLOCKS,
    DriftPlan,
    DriftVerdict,
    Evidence,
    gather_evidence,
    judge_run,
)
from include.simulator.catalogue import list_symbols
from include.simulator.synthetic import SyntheticEngine
from tests.include.quality.market_models import (
    START_MS,
    Change,
    after,
    coarser,
    garch_market,
    louder,
    scaled,
)
from tests.include.quality.recorded import read_binance_csv

PLAN = DriftPlan(window_days=3, reference_days=60)
DAYS = 63
FDR = 0.05
CHAIN: tuple[Timeframe, ...] = (M30, H4)


def judge(
    markets: list[pd.DataFrame], end_day: int, plan: DriftPlan = PLAN, start_ms: int = START_MS
) -> list[list[DriftVerdict]]:
    """Judge markets of 30m candles together, rolled up too; return the verdicts of each."""
    end_ms = start_ms + end_day * DAY_MS
    evidence: list[list[Evidence]] = []
    for market in markets:
        evidence.append([])
        for timeframe in CHAIN:
            frame = market if timeframe == M30 else coarser(market, timeframe)
            evidence[-1] += gather_evidence(frame, timeframe, end_ms, plan)
    verdicts = iter(judge_run([one for found in evidence for one in found], fdr=FDR))
    return [[next(verdicts) for _ in found] for found in evidence]


def drifted(verdicts: list[DriftVerdict]) -> set[str]:
    return {verdict.evidence.measure for verdict in verdicts if verdict.drifted}


@pytest.fixture(scope="module")
def markets() -> list[Any]:
    """Sixty stationary markets of 30m candles."""
    return market_of(60, seed=20261122)


def market_of(count: int, seed: int, *, persistence: float = 0.8) -> list[Any]:
    found = garch_market(DAYS, count, seed, persistence=persistence)
    return [coarser(market, M30) for market in found]


def test_markets_that_do_not_drift_are_left_in_peace(
    markets: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [judge(markets[first : first + 2], DAYS) for first in range(0, 60, 2)]
    alarmed = sum(any(drifted(one) for one in run) for run in runs)
    p_values = np.array([v.p_value for run in runs for one in run for v in one])
    with capsys.disabled():
        print(
            f"\nstationary GARCH markets: {alarmed} of {len(runs)} runs told of a drift; "
            f"{len(p_values)} tests, {np.mean(p_values < 0.05):.1%} of them below 0.05, "
            f"{np.mean(p_values < 0.001):.2%} below 0.001"
        )
    # With the stated level, one run of twenty; three of thirty are likely less than one in five.
    assert alarmed <= 3
    # Each test keeps its level too, far out in the tail as well.
    assert np.mean(p_values < 0.05) <= 0.06
    assert np.mean(p_values < 0.001) <= 0.004
    assert len(p_values) == 60 * 2 * 7


def test_textbook_p_values_would_have_alarmed_all_the_time(markets: list[Any]) -> None:
    """The reason for all this: the plain two-sample test rejects where nothing drifts."""
    from scipy.stats import ks_2samp

    rejected = 0
    for market in markets[:20]:
        size = np.log(market["high"] / market["low"]).to_numpy()
        rejected += ks_2samp(size[: 60 * 48], size[60 * 48 :]).pvalue < 0.001
    assert rejected >= 10


# A market that itself doubles its volatility for days, as these do, hides a doubling: the first
# shift is there to show where the power ends.
SHIFTS: list[tuple[str, Change, str, int]] = [
    ("volatility x2", louder(2), "range", 0),
    ("volatility x2, no more traded", louder(2), "impact", 3),
    ("volatility x3", louder(3), "range", 2),
    ("volatility x4", louder(4), "return", 2),
    ("volume x3, as many trades", scaled("volume", 3), "trade_size", 3),
    ("volume x10", scaled("volume", 10), "volume", 2),
    ("trades x3, as much volume", lambda f: f.assign(trade_count=f["trade_count"] * 3),
     "trade_size", 3),
    ("opens off the close", lambda f: f.assign(open=f["open"] * (1 + 1e-4)), "open_gap", 3),
]  # fmt: skip


def test_injected_shifts_are_found_and_nothing_beside_them(
    markets: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    lines, missed, beside = [], [], 0
    for name, change, measure, least in SHIFTS:
        delays = []
        for first in (0, 2, 4):
            pair = [after(markets[first], DAYS - 3, change), markets[first + 1]]
            for delay in (1, 2, 3):
                one, other = judge(pair, DAYS - 3 + delay)
                beside += bool(drifted(other))
                if measure in drifted(one):
                    delays.append(delay)
                    break
        lines.append(f"{name:28} found in {len(delays)} of 3, after days {delays}")
        missed += [name] if len(delays) < least else []
    with capsys.disabled():
        print("\n" + "\n".join(lines))
    assert missed == []
    assert beside == 0


def test_a_small_shift_may_be_certain_and_is_not_material() -> None:
    still = {kind: np.full(20, 1e-4) for kind in DISTANCES} | {"shift": np.zeros(20)}
    small = Evidence(
        "volume",
        Span(0, DAY_MS),
        Span(0, 0),
        500,
        {"psi": 0.099, "ks": 0.2, "js": 0.2, "shift": 0.5},
        still,
        0,
    )
    large = replace(small, distances=small.distances | {"psi": 0.101})
    verdicts = judge_run([small, large], fdr=FDR)
    assert [verdict.drifted for verdict in verdicts] == [False, True]
    assert max(verdict.q_value for verdict in verdicts) < 1e-6


def simulated(seed: int, days: int, first_day: int = 20_300) -> pd.DataFrame:
    """Return 5m candles of the bundled exchange, whose market has storms and calms of days."""
    engine = SyntheticEngine(seed, list_symbols(("ETHUSDT",)), outages_per_year=12.0)
    parts = [
        engine._block("ETHUSDT", day).candles
        for day in range(first_day, first_day + days)
    ]  # fmt: skip
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts]).astype(np.float64)
        for name in ("open", "high", "low", "close", "volume", "count")
    }
    opens = np.concatenate([part.open_ms for part in parts])
    frame = pd.DataFrame(columns).rename(columns={"count": "trade_count"})
    times = pd.to_datetime(opens, unit="ms", utc=True)
    return coarser(frame.assign(open_time=times), M30)


def test_the_bundled_exchange_does_not_drift() -> None:
    market = simulated(7, DAYS + 40)
    start_ms = 20_300 * DAY_MS
    runs = [judge([market], day, start_ms=start_ms)[0] for day in range(DAYS, DAYS + 41, 8)]
    assert sum(bool(drifted(run)) for run in runs) == 0
    assert min(len(run) for run in runs) == 14


def test_the_change_is_dated(markets: list[Any]) -> None:
    changed = after(markets[0], DAYS - 2, scaled("volume", 10))
    found = [v for v in judge([changed], DAYS)[0] if v.evidence.measure == "volume"]
    assert {v.evidence.changed_ms for v in found} == {START_MS + (DAYS - 2) * DAY_MS}


def test_the_season_is_no_drift_and_a_season_turned_over_is() -> None:
    """Windows of three days see the weekend or not; only the hours' own change counts."""
    market = market_of(1, seed=8, persistence=0.0)[0]
    for end in (DAYS - 3, DAYS - 2, DAYS - 1, DAYS):
        plan = replace(PLAN, reference_days=57)
        assert drifted(judge([market], end, plan)[0]) == set(), end


def test_too_short_a_history_says_nothing(markets: list[Any]) -> None:
    days = 3 * (LEAST_BLOCKS + 1)
    end_ms = START_MS + days * DAY_MS
    assert len(gather_evidence(markets[0], M30, end_ms, PLAN)) == 7
    assert gather_evidence(markets[0], M30, end_ms - DAY_MS, PLAN) == []


def test_a_window_with_a_hole_says_nothing_and_a_block_with_one_is_left_out(
    markets: list[Any],
) -> None:
    end_ms = START_MS + DAYS * DAY_MS
    market = markets[0]
    assert gather_evidence(market[:-34], M30, end_ms, PLAN) == []
    holed = market.drop(index=range(48, 2 * 48))
    found = gather_evidence(holed, M30, end_ms, PLAN)
    whole = gather_evidence(market, M30, end_ms, PLAN)
    assert {len(one.blocks["psi"]) for one in whole} == {20}
    assert {len(one.blocks["psi"]) for one in found} == {19}
    assert found[0].reference == Span(START_MS + 3 * DAY_MS, end_ms - 3 * DAY_MS)
    assert found[0].window == Span(end_ms - 3 * DAY_MS, end_ms)


def test_a_column_nobody_states_is_not_watched(markets: list[Any]) -> None:
    silent = markets[0].assign(trade_count=-1)
    found = gather_evidence(silent, M30, START_MS + DAYS * DAY_MS, PLAN)
    assert [one.measure for one in found] == ["return", "range", "volume", "impact", "open_gap"]


def test_a_venue_whose_opens_equal_the_close_before_is_no_drift_until_they_do_not() -> None:
    market = market_of(1, seed=9)[0]
    still = market.assign(open=market["close"].shift().fillna(100.0))
    assert "open_gap" not in drifted(judge([still], DAYS)[0])
    torn = after(still, DAYS - 3, lambda f: f.assign(open=f["open"] * 1.0001))
    assert "open_gap" in drifted(judge([torn], DAYS)[0])


def test_the_same_candles_give_the_same_verdicts(markets: list[Any]) -> None:
    one, again = (judge(markets[:2], DAYS) for _ in range(2))
    assert [[(v.p_value, v.q_value) for v in m] for m in one] == [
        [(v.p_value, v.q_value) for v in m] for m in again
    ]


@settings(max_examples=40)
@given(st.data())
def test_adjusted_values_never_undercut_and_keep_the_order(data: st.DataObject) -> None:
    draw = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    evidence = [
        Evidence(
            "range",
            Span(0, DAY_MS),
            Span(0, 0),
            100,
            {kind: float(draw.lognormal(0, 1.5)) for kind in DISTANCES},
            {kind: draw.lognormal(-1, 0.7, 12) for kind in DISTANCES},
            0,
        )
        for _ in range(data.draw(st.integers(1, 12)))
    ]
    verdicts = judge_run(evidence, fdr=0.05)
    assert len(verdicts) == len(evidence)
    for verdict in verdicts:
        assert 0 <= verdict.p_value <= verdict.q_value <= 1
        assert verdict.drifted == (
            verdict.q_value <= 0.05 and verdict.evidence.distances["psi"] >= 0.1
        )
    ranked = sorted(verdicts, key=lambda verdict: verdict.p_value)
    assert [v.q_value for v in ranked] == sorted(v.q_value for v in ranked)


def test_more_tests_ask_for_more_proof(markets: list[Any]) -> None:
    changed = after(markets[0], DAYS - 3, louder(2))
    alone, crowded = judge([changed], DAYS), judge([changed, *markets[1:8]], DAYS)
    for few, many in zip(alone[0], crowded[0], strict=True):
        if few.drifted and few.evidence.measure == "range":
            assert many.q_value > few.q_value


def test_four_hours_are_watched_too(markets: list[Any]) -> None:
    changed = coarser(after(markets[0], DAYS - 3, louder(4)), H4)
    evidence = gather_evidence(changed, H4, START_MS + DAYS * DAY_MS, PLAN)
    assert len(evidence) == 7
    assert "range" in drifted(judge_run(evidence, fdr=FDR))


def test_what_cannot_be_right_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="raise drift_reference_days"):
        DriftPlan(window_days=7, reference_days=55)
    with pytest.raises(InvalidInputError, match="between 0 and 1"):
        judge_run([], fdr=5)
    assert judge_run([], fdr=0.05) == []


def test_a_real_market_drifted_when_the_news_came_and_not_before() -> None:
    """On 2023-10-23 the whole market broke out, after two calm months."""
    end_ms = int(pd.Timestamp("2023-10-01", tz="UTC").timestamp()) * 1000
    markets: list[pd.DataFrame] = []
    for symbol in ("FILUSDT", "NEARUSDT"):
        months = [
            read_binance_csv(f"binance_usdm_1m/{symbol}-1m-2023-{month}.csv.gz")
            for month in ("08", "09", "10")
        ]
        markets.append(coarser(pd.concat(months, ignore_index=True), M30))
    for day in (2, 8, 14, 20, 21):
        assert [drifted(one) for one in judge(markets, day, start_ms=end_ms)] == [set(), set()]
    for one in judge(markets, 25, start_ms=end_ms):
        assert drifted(one) >= {"range", "volume", "trade_count"}
        assert {v.evidence.changed_ms for v in one if v.evidence.measure == "volume"} == {
            end_ms + 22 * DAY_MS
        }
