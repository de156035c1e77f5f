"""Reads that know where values came from: defaults without made-up rows, filled ones, lineage."""

from __future__ import annotations

from include.market.timeframe import parse_timeframe
from include.warehouse.candles import read_candles
from include.warehouse.engine import Connection
from include.warehouse.gaps import Gap
from include.warehouse.loader import merge_coarse
from tests.support.warehouse import (
    candles,
    load_frame,
    minutes,
    moment,
    query,
    seed_reference,
    sha,
)

M5 = parse_timeframe("5m")


def test_archive_outranks_rest_and_everything_outranks_made_up_rows(
    connection: Connection,
) -> None:
    ranks = dict(query(connection, "SELECT name, rank FROM market.source"))
    order = ["archive", "rest", "stream", "trades", "synthetic"]
    assert sorted(order, key=ranks.__getitem__) == order
    assert len({ranks[name] for name in order}) == len(order)


def test_the_default_read_leaves_synthetic_candles_out(connection: Connection) -> None:
    seed_reference(connection)
    load_frame(connection, candles([0, 1, 2]), minutes(0, 3))
    connection.execute(
        "UPDATE market.candle_1m SET source = 'synthetic' WHERE open_time = %s", (moment(1),)
    )
    times = query(connection, "SELECT open_time FROM market.candle WHERE timeframe = '1m'")
    assert sorted(times) == [(moment(0),), (moment(2),)]


def test_only_minutes_proven_untraded_are_filled_and_flagged(connection: Connection) -> None:
    ids = seed_reference(connection)
    gaps = [Gap(minutes(1, 3), "no_trade", {}), Gap(minutes(4, 5), "outage", {})]
    load_frame(connection, candles([0, 3, 5], price=[1.0, 2.0, 3.0]), minutes(0, 6), gaps=gaps)
    rows = query(
        connection,
        "SELECT open_time, open, high, low, close, volume, trade_count, is_synthetic "
        "FROM market.filled_candle_1m(%s, %s, %s) ORDER BY open_time",
        ids["BTCUSDT"],
        moment(0),
        moment(6),
    )
    assert [(row[0], row[4], row[7]) for row in rows] == [
        (moment(0), 1.0, False),
        (moment(1), 1.0, True),
        (moment(2), 1.0, True),
        (moment(3), 2.0, False),
        (moment(5), 3.0, False),
    ]
    assert {row[1:7] for row in rows if row[7]} == {(1.0, 1.0, 1.0, 1.0, 0.0, 0)}


def test_a_filled_read_begins_where_it_is_asked_to(connection: Connection) -> None:
    ids = seed_reference(connection)
    gaps = [Gap(minutes(1, 5), "no_trade", {})]
    load_frame(connection, candles([0, 5]), minutes(0, 6), gaps=gaps)
    rows = query(
        connection,
        "SELECT open_time FROM market.filled_candle_1m(%s, %s, %s) ORDER BY open_time",
        ids["BTCUSDT"],
        moment(2),
        moment(4),
    )
    assert rows == [(moment(2),), (moment(3),)]


def test_lineage_leads_every_revision_down_to_its_payload(connection: Connection) -> None:
    ids = seed_reference(connection)
    load_frame(connection, candles([0]), minutes(0, 1), path="file:///a")
    load_frame(connection, candles([0], price=101.0), minutes(0, 1), path="file:///b")
    rows = query(
        connection,
        "SELECT revision, payload_sha256, path, upper_inf(recorded_during) "
        "FROM market.candle_lineage('1m', %s, %s) ORDER BY revision",
        ids["BTCUSDT"],
        moment(0),
    )
    assert rows == [
        (1, sha(("file:///a", "")), "file:///a", False),
        (2, sha(("file:///b", "")), "file:///b", True),
    ]


def test_lineage_of_a_coarse_candle_names_the_payloads_of_its_minutes(
    connection: Connection,
) -> None:
    ids = seed_reference(connection)
    load_frame(connection, candles([0, 1, 2, 3, 4, 5]), minutes(0, 6), path="file:///a")
    whole = read_candles(connection, parse_timeframe("1m"), ids["BTCUSDT"], minutes(0, 1))
    coarse = whole.assign(instrument_id=ids["BTCUSDT"], children_present=5, children_expected=5)
    merge_coarse(connection, M5, coarse, run_id="roll")
    connection.commit()
    rows = query(
        connection,
        "SELECT candle_timeframe, candle_open_time, path "
        "FROM market.candle_lineage('5m', %s, %s) ORDER BY 1, 2",
        ids["BTCUSDT"],
        moment(0),
    )
    assert rows == [
        *[("1m", moment(place), "file:///a") for place in range(5)],
        ("5m", moment(0), None),
    ]
