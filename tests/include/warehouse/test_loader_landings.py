"""Which landings and frames a load takes, and which observation of a candle wins."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest

from include.market.candle import ABSENT_COUNT, CANDLE_COLUMNS, PRICE_COLUMNS
from include.market.errors import ContractError, InvalidInputError, StaleFenceError
from include.market.span import Span, to_ms
from include.market.timeframe import M1
from include.warehouse.candles import read_candles
from include.warehouse.engine import Connection
from include.warehouse.fence import take_fence
from include.warehouse.landing import mark_checked, register_landing
from include.warehouse.ledger import coverage
from include.warehouse.loader import load_candles, load_scope
from include.warehouse.merge import LoadReceipt
from tests.support.warehouse import (
    NOTHING_REFUSED,
    START,
    VENUE,
    candles,
    checked_landing,
    load_frame,
    load_landing,
    minutes,
    moment,
    query,
    seed_reference,
    sha,
    walk,
)

DAY = minutes(0, 1440)
QUARANTINE = (
    "SELECT open_time, rule, payload ->> 'close', load_id FROM ledger.quarantine ORDER BY 1"
)


def counts(receipt: LoadReceipt) -> tuple[int, int, int, int]:
    return (receipt.inserted, receipt.updated, receipt.unchanged, receipt.quarantined)


def read_all(connection: Connection, instrument_id: int = 1) -> pd.DataFrame:
    frame = read_candles(connection, M1, instrument_id, Span(0, DAY.end_ms * 2))
    connection.commit()
    return frame


def closes(connection: Connection) -> dict[int, float]:
    frame = read_all(connection)
    places = (frame["open_time"] - pd.Timestamp(START)) // pd.Timedelta(minutes=1)
    return dict(zip(places.tolist(), frame["close"].tolist(), strict=True))


def test_a_value_observed_earlier_never_replaces_one_observed_later(connection: Connection) -> None:
    seed_reference(connection)
    older = checked_landing(connection, minutes(0, 2), path="older")
    newer = checked_landing(connection, minutes(0, 2), path="newer")
    load_landing(connection, newer, candles([0], price=2))
    receipt = load_landing(connection, older, candles([0, 1], price=1))
    assert counts(receipt) == (1, 0, 0, 1)
    assert closes(connection) == {0: 2, 1: 1}
    assert query(connection, QUARANTINE) == [(moment(0), "superseded", "1", receipt.load_id)]


def test_a_value_a_later_observation_confirmed_is_not_replaced_by_one_in_between(
    connection: Connection,
) -> None:
    seed_reference(connection)
    first, between, last = (
        checked_landing(connection, minutes(0, 1), path=path) for path in ("1", "2", "3")
    )
    load_landing(connection, first, candles([0], price=1))
    load_landing(connection, last, candles([0], price=1))
    assert counts(load_landing(connection, between, candles([0], price=2))) == (0, 0, 0, 1)
    assert closes(connection) == {0: 1}


def test_content_landed_again_under_the_same_path_counts_as_observed_then(
    connection: Connection,
) -> None:
    seed_reference(connection)
    load_frame(connection, candles([0], price=1), minutes(0, 1), path="a", content=1)
    load_frame(connection, candles([0], price=2), minutes(0, 1), path="b")
    load_frame(connection, candles([0], price=3), minutes(0, 1), path="a", content=2)
    assert closes(connection) == {0: 3}


def test_a_landing_without_rows_still_proves_what_it_explains(connection: Connection) -> None:
    ids = seed_reference(connection)
    receipt = load_frame(connection, candles([]), minutes(0, 5))
    assert counts(receipt) == (0, 0, 0, 0)
    assert query(connection, "SELECT reason FROM ledger.gap") == [("unknown",)]
    assert coverage(connection, "candle_1m", ids["BTCUSDT"]) == []


def test_spans_off_the_grid_expect_only_the_whole_minutes_within(connection: Connection) -> None:
    ids = seed_reference(connection)
    whole = minutes(0, 4)
    ragged = Span(whole.start_ms + 1, whole.end_ms - 1)
    load_frame(connection, candles([1, 2]), ragged)
    assert query(connection, "SELECT FROM ledger.gap") == []
    assert coverage(connection, "candle_1m", ids["BTCUSDT"]) == [minutes(1, 3)]


def test_a_load_may_cross_months_and_years(connection: Connection) -> None:
    ids = seed_reference(connection)
    start = START - timedelta(minutes=700)
    frame = walk(1400, start=start)
    span = Span(to_ms(start), to_ms(start) + 1400 * 60_000)
    assert counts(load_frame(connection, frame, span)) == (1400, 0, 0, 0)
    read = read_candles(connection, M1, ids["BTCUSDT"], span)
    pd.testing.assert_frame_equal(read, frame)


@pytest.mark.parametrize("state", ["landed", "held"])
def test_only_checked_landings_are_loaded(connection: Connection, state: str) -> None:
    seed_reference(connection)
    landing = register_landing(
        connection,
        venue=VENUE.name,
        symbol="BTCUSDT",
        timeframe="1m",
        span=minutes(0, 1),
        path="a",
        rows=1,
        payload_sha256=sha("a"),
        source="rest",
        run_id="r",
    )
    if state == "held":
        mark_checked(
            connection,
            landing.landing_id,
            clean_path=None,
            rows=0,
            verdict={},
            held=True,
            quarantined=NOTHING_REFUSED,
        )
    connection.commit()
    with pytest.raises(InvalidInputError, match=state):
        load_landing(connection, landing, candles([0]))
    assert query(connection, "SELECT FROM ledger.load") == []


def test_content_that_was_replaced_since_it_was_read_is_not_loaded(connection: Connection) -> None:
    seed_reference(connection)
    landing = checked_landing(connection, minutes(0, 1), path="a", content=1)
    checked_landing(connection, minutes(0, 1), path="a", content=2)
    with pytest.raises(StaleFenceError, match="other content"):
        load_landing(connection, landing, candles([0]))
    assert read_all(connection).empty


def test_a_row_the_table_refuses_is_quarantined_and_the_rest_loads(connection: Connection) -> None:
    seed_reference(connection)
    frame = candles(range(3))
    frame.loc[1, list(PRICE_COLUMNS)] = float("nan")
    receipt = load_frame(connection, frame, minutes(0, 3))
    assert (receipt.inserted, receipt.quarantined) == (2, 1)
    assert read_all(connection)["open_time"].tolist() == [moment(0), moment(2)]
    [(rule, detail, state, payload)] = query(
        connection, "SELECT rule, detail, state, payload FROM ledger.quarantine"
    )
    assert (rule, state, payload["close"]) == ("candle_price_range", "final", "NaN")
    assert "close >= " in detail
    assert query(connection, "SELECT span_start, reason FROM ledger.gap") == [
        (moment(1), "unknown")
    ]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda frame: frame.drop(columns="quote_volume"),
        lambda frame: frame.drop(columns="open_time"),
        lambda frame: frame.assign(open_time=frame["open_time"].dt.tz_localize(None)),
        lambda frame: frame.assign(open_time=frame["open_time"].where(frame.index != 1)),
        lambda frame: frame.assign(trade_count=1.5),
        lambda frame: frame.assign(trade_count=float("nan")),
        lambda frame: frame.assign(quote_volume=[float("nan"), 1.0, 1.0]),
        lambda frame: frame.assign(trade_count=[ABSENT_COUNT, 1, 1]),
        lambda frame: frame.assign(close="dear"),
    ],
    ids=[
        "column",
        "time",
        "naive",
        "NaT",
        "fraction",
        "NaN count",
        "volumes in part",
        "counts in part",
        "text",
    ],
)
def test_a_frame_of_another_shape_is_refused_before_anything_is_sent(
    connection: Connection, spoil: object
) -> None:
    seed_reference(connection)
    assert callable(spoil)
    with pytest.raises(ContractError, match="candle frame"):
        load_frame(connection, spoil(candles(range(3))), minutes(0, 3))
    assert query(connection, "SELECT FROM ledger.load") == []


def test_times_of_other_units_and_zones_are_the_same_instants(connection: Connection) -> None:
    seed_reference(connection)
    frame = candles(range(3))
    odd = frame.assign(open_time=frame["open_time"].dt.tz_convert("Asia/Tokyo").dt.as_unit("ns"))
    load_frame(connection, odd[[*reversed(CANDLE_COLUMNS)]], minutes(0, 3))
    pd.testing.assert_frame_equal(read_all(connection), frame)


def test_a_load_does_not_commit_what_the_caller_wrote(connection: Connection) -> None:
    seed_reference(connection)
    landing = checked_landing(connection, minutes(0, 1), path="a")
    token = take_fence(connection, load_scope(landing))
    connection.execute("INSERT INTO market.asset (code) VALUES ('XYZ')")
    with pytest.raises(InvalidInputError, match="commit or roll back first"):
        load_candles(connection, landing, candles([0]), source="r", run_id="r", fencing_token=token)
