"""Features and session returns follow the ledger: late, revised and withdrawn minutes included."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest

from include.jobs.derive_features import derive_changed, feature_timeframes
from include.market.errors import InvalidInputError
from include.market.instrument import Rename
from include.market.settings import Settings
from include.market.span import Span
from include.market.timeframe import DAY_MS, M1, M5, M30
from include.warehouse.audit.run import run_audit
from include.warehouse.corporate_actions import apply_renames
from include.warehouse.engine import Connection, connect
from include.warehouse.gaps import Gap
from include.warehouse.retention import retire_months
from include.warehouse.sessions import record_sessions
from tests.support.derived_features import (
    NOTHING,
    SETTINGS,
    changes,
    check,
    derive,
    stored_features,
    stored_returns,
    traded,
)
from tests.support.warehouse import (
    START,
    START_MS,
    VENUE,
    load_frame,
    minutes,
    moment,
    query,
    seed_reference,
)


@pytest.fixture
def conn(loader_dsn: str) -> Iterator[Connection]:
    """Return what the job works with."""
    with connect(loader_dsn, application="test", autocommit=True) as connection:
        yield connection


@pytest.fixture
def data(loader_dsn: str) -> Iterator[Connection]:
    """Return what candles are loaded with, two instruments and their sessions known."""
    with connect(loader_dsn, application="test") as connection:
        seed_reference(connection)
        span = Span(START_MS - 2 * DAY_MS, START_MS + 40 * DAY_MS)
        record_sessions(connection, VENUE.name, span)
        connection.commit()
        yield connection


def test_what_is_loaded_is_derived_once(conn: Connection, data: Connection) -> None:
    load_frame(data, traded(2880), minutes(0, 2880))
    assert derive(conn) == NOTHING | {"inserted": 576 + 96 + 2}
    check(conn)
    [owner] = {owner for _, owner, _ in stored_features(conn)}
    told = [(owner, START, moment(2880), "new")]
    assert changes(conn, "feature_5m") == changes(conn, "feature_30m") == told
    assert changes(conn, "session_return") == [
        (owner, START, moment(1440), "new"), (owner, moment(1440), moment(2880), "new"),
    ]  # fmt: skip
    receipts = query(conn, "SELECT count(*) FROM ledger.load")
    assert derive(conn) == NOTHING
    assert query(conn, "SELECT count(*) FROM ledger.load") == receipts


def test_values_are_what_they_are_called(conn: Connection, data: Connection) -> None:
    frame = traded(1440)
    load_frame(data, frame, minutes(0, 1440))
    derive(conn)
    [row] = query(
        conn,
        "SELECT log_return, realised_variance, vwap, window_bars, bars_since_previous "
        "FROM market.feature WHERE timeframe = '5m' AND open_time = %s",
        moment(5),
    )
    minute = frame.iloc[4:10]
    gains = np.diff(np.log(minute["close"]))
    assert row[0] == pytest.approx(np.log(minute["close"].iloc[-1] / minute["close"].iloc[0]))
    assert row[1] == pytest.approx((gains**2).sum())
    traded_five = frame.iloc[5:10]
    assert row[2] == pytest.approx(traded_five["quote_volume"].sum() / traded_five["volume"].sum())
    assert row[3:] == (2, 1)
    [day] = query(conn, "SELECT log_return, vwap, candles_present FROM market.session_return")
    assert day[0] == pytest.approx(np.log(frame["close"].iloc[-1] / frame["open"].iloc[0]))
    assert day[1] == pytest.approx(frame["quote_volume"].sum() / frame["volume"].sum())
    assert day[2] == 1440


def test_a_bar_waits_until_it_is_proven(conn: Connection, data: Connection) -> None:
    frame = traded(20)
    holes = frame.drop(index=7)
    load_frame(data, holes, minutes(0, 20))
    assert derive(conn)["inserted"] == 3
    load_frame(data, holes, minutes(0, 20), content="again", gaps=[Gap(minutes(7, 8), "no_trade")])
    derive(conn)
    check(conn)
    bars = query(
        conn, "SELECT minutes_present FROM market.feature WHERE timeframe = '5m' ORDER BY open_time"
    )
    assert bars == [(5,), (4,), (5,), (5,)]


def test_a_late_minute_reaches_forward_and_no_other_row_is_written(
    conn: Connection, data: Connection
) -> None:
    frame = traded(1440)
    load_frame(data, frame, minutes(0, 1440))
    derive(conn)
    before = stored_features(conn)
    late = frame.iloc[[123]].assign(close=frame["high"].iloc[123])
    load_frame(data, late, minutes(123, 124), path="file:///landing/b.parquet")
    written = derive(conn)
    check(conn)
    after = stored_features(conn)
    changed = {key for key in after if after[key] != before[key]}
    assert written["updated"] == len(changed) + 1
    assert {at for label, _, at in changed if label == "5m"} <= {
        START_MS + (120 + 5 * bar) * 60_000 for bar in range(49)
    }
    assert (before.keys() - changed) == {key for key in before if before[key] == after[key]}
    untouched = query(
        conn, "SELECT count(*) FROM market.feature WHERE load_id <> (SELECT max(load_id) FROM "
        "market.feature AS f WHERE f.timeframe = market.feature.timeframe)",
    )  # fmt: skip
    assert untouched == [(len(before) - len(changed),)]
    assert {reason for *_, reason in changes(conn, "feature_5m")} == {"new", "revised"}


def test_what_is_withdrawn_leaves_no_feature(
    conn: Connection, data: Connection, warehouse_dsn: str
) -> None:
    load_frame(data, traded(1440), minutes(0, 1440))
    derive(conn)
    conn.execute(
        "SELECT market.withdraw_candles(1, %s, %s, 'wrong', 'unknown')", (moment(60), moment(70))
    )
    written = derive(conn)
    check(conn)
    assert written["withdrawn"] == 2 + 1 + 1, "two bars of 5m, one of 30m, the session"
    told = [row for row in changes(conn, "feature_5m") if row[3] == "withdrawn"]
    assert told == [(1, moment(60), moment(70), "withdrawn")]


def test_a_unit_that_is_declared_late_changes_what_rests_on_it(
    conn: Connection, data: Connection
) -> None:
    frame = traded(1440)
    prices = ["open", "high", "low", "close"]
    frame.loc[720:, prices] *= 1000
    frame.loc[720:, ["volume", "taker_buy_volume"]] /= 1000
    load_frame(data, frame, minutes(0, 1440))
    derive(conn)
    jump = "SELECT max(log_return) FROM market.feature WHERE timeframe = '30m'"
    assert query(conn, jump)[0][0] > 6
    for factor in (1000, 999):
        change = Rename("BTCUSDT", "BTCUSDT", moment(720), Decimal(factor))
        assert apply_renames(data, VENUE.name, [change], observed_at=moment(9999)) in (0, 1)
        data.commit()
        written = derive(conn)
        assert written["updated"] > 0
        check(conn)
    assert query(conn, jump)[0][0] < 0.1
    assert query(conn, "SELECT log_return FROM market.session_return")[0][0] < 1


def test_what_rests_on_retired_minutes_is_kept(conn: Connection, data: Connection) -> None:
    later = datetime(2024, 1, 31, 12, tzinfo=UTC)
    first = Span(START_MS + 30 * DAY_MS + DAY_MS // 2, START_MS + 32 * DAY_MS)
    load_frame(data, traded(2160, start=later), first)
    derive(conn)
    check(conn)
    before, sessions = stored_features(conn), stored_returns(conn)
    assert len(sessions) == 1
    assert retire_months(conn, {"candle_1m": 1}, at=datetime(2024, 3, 2, tzinfo=UTC))
    conn.execute(
        "SELECT ledger.file_repair('candle_1m', 1, %s, %s)", (first.start_time, first.end_time)
    )
    assert derive(conn)["withdrawn"] == 0
    assert stored_features(conn) == before
    assert stored_returns(conn) == sessions


def test_a_timeframe_that_is_added_begins_with_all_there_is(
    conn: Connection, data: Connection
) -> None:
    load_frame(data, traded(480), minutes(0, 480))
    derive_changed(conn, Settings(feature_timeframes=["30m"]), run_id="one")
    assert {label for label, *_ in stored_features(conn)} == {"30m"}
    derive(conn)
    check(conn)


def test_nothing_stored_is_not_a_number(conn: Connection, data: Connection) -> None:
    frame = traded(480)
    frame.loc[100:130, ["volume", "quote_volume", "taker_buy_volume"]] = 0.0
    frame.loc[200:210, "close"] = frame.loc[200:210, "open"]
    load_frame(data, frame, minutes(0, 480))
    derive(conn)
    counted = query(
        conn,
        "SELECT count(*), count(*) FILTER (WHERE value = 'NaN' OR value IN "
        "('Infinity', '-Infinity')) FROM market.feature_long",
    )
    assert counted[0][0] > 0
    assert counted[0][1] == 0
    wide = query(conn, "SELECT count(vwap) FROM market.feature")
    long = query(conn, "SELECT count(*) FROM market.feature_long WHERE feature = 'vwap'")
    assert wide == long
    assert wide < query(conn, "SELECT count(*) FROM market.feature")


def test_returns_are_known_when_the_bar_is_over(conn: Connection, data: Connection) -> None:
    load_frame(data, traded(480), minutes(0, 480))
    derive(conn)
    rows = query(
        conn,
        "SELECT known_at - open_time, log_return, simple_return, realised_volatility "
        "FROM market.candle_return WHERE timeframe = '30m' AND log_return IS NOT NULL",
    )
    assert len(rows) == 15
    for wait, gain, simple, volatility in rows:
        assert wait.total_seconds() == 1800
        assert simple == pytest.approx(np.expm1(gain))
        assert volatility > 0


def test_the_timeframes_are_those_set_or_all_that_can_be() -> None:
    assert feature_timeframes(SETTINGS) == [M5, M30]
    derivable = feature_timeframes(Settings())
    assert [one.label for one in derivable] == ["5m", "30m", "4h"]
    assert M1 not in derivable
    with pytest.raises(InvalidInputError, match="features of 1m cannot be derived"):
        feature_timeframes(Settings(feature_timeframes=["1m"]))
    with pytest.raises(InvalidInputError, match="unknown timeframe '7m'"):
        feature_timeframes(Settings(feature_timeframes=["7m"]))


def test_the_audit_finds_nothing_wrong_with_it(conn: Connection, data: Connection) -> None:
    load_frame(data, traded(1440), minutes(0, 1440))
    derive(conn)
    report = run_audit(conn, at=datetime(2024, 3, 1, tzinfo=UTC), thorough=True)
    derived = [one for one in report.findings if "feature" in str(one) or "return" in str(one)]
    assert derived == []
