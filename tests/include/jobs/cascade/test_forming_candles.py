"""Candles still forming: shown to readers, never stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg
import pytest

from include.cascade.rollup import roll_up
from include.market.candle import PARTIAL, SNAPPED
from include.market.timeframe import H4, M1, M30
from include.warehouse.engine import Connection, connect
from include.warehouse.gaps import Gap
from tests.support.cascade_world import LEVELS, load, rows, run_stages
from tests.support.warehouse import START, candles, minutes, moment, walk

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def test_a_forming_candle_is_shown_and_never_stored(connection: Connection) -> None:
    frame = walk(240)
    frame.loc[31, "flags"] = SNAPPED
    kept = frame.iloc[:37].drop(index=33)
    load(connection, kept, minutes(0, 37), gaps=[Gap(minutes(33, 34), "no_trade")])
    run_stages(connection)
    wanted = roll_up(kept.iloc[30:36], M1, M30).iloc[0]
    shown = rows(
        connection,
        "SELECT instrument_id, open_time, close_time, open, high, low, close, trade_count, flags, "
        "children_present, children_expected, volume FROM market.forming_candle('30m', %s)",
        moment(37),
    )
    *head, volume = shown[0]
    assert len(shown) == 1
    assert head == [
        1, moment(30), moment(60), wanted["open"], wanted["high"], wanted["low"], wanted["close"],
        wanted["trade_count"], SNAPPED | PARTIAL, 6, 7,
    ]  # fmt: skip
    assert volume == pytest.approx(wanted["volume"], rel=1e-14)
    # Nothing of what had not closed by then.
    [(earlier,)] = rows(
        connection,
        "SELECT children_present FROM market.forming_candle('30m', %s) WHERE instrument_id = 1",
        moment(32).replace(second=59),
    )
    assert earlier == 2
    assert rows(connection, "SELECT FROM market.forming_candle('5m', %s)", LONG_AGO) == []
    assert rows(connection, "SELECT FROM market.candle_30m WHERE open_time = %s", moment(30)) == []


def test_a_forming_candle_is_that_of_its_minutes_at_every_instant(connection: Connection) -> None:
    """Whatever of it is final by then, whatever is absent; 1w and 1M stand on the same levels."""
    frame = walk(240)
    frame.loc[101, "flags"] = SNAPPED
    frame.loc[120:, "taker_buy_volume"] = np.nan
    absent = [33, 90, 91, 92, 93, 94, 200]
    kept = frame.drop(index=absent)
    gaps = [Gap(minutes(place, place + 1), "no_trade") for place in absent]
    for part in (minutes(0, 120), minutes(120, 240)):
        inside = kept["open_time"].between(part.start_time, part.end_time, inclusive="left")
        load(connection, kept[inside], part, gaps=gaps)
    run_stages(connection)
    query = (
        "SELECT open, high, low, close, trade_count, flags, children_present, children_expected, "
        "volume, taker_buy_volume FROM market.forming_candle('4h', %s)"
    )
    for place in (1, 5, 7, 30, 34, 36, 78, 95, 131, 199, 239):
        gone = kept[kept.index < place]
        wanted = roll_up(gone, M1, H4).iloc[0]
        partial = PARTIAL if len(gone) < place else 0
        snapped = SNAPPED if place > 101 else 0
        [(*exact, volume, taker)] = rows(connection, query, moment(place) + timedelta(seconds=59))
        assert exact == [
            *(wanted[name] for name in ("open", "high", "low", "close", "trade_count")),
            partial | snapped, len(gone), place,
        ], place  # fmt: skip
        assert volume == pytest.approx(wanted["volume"], rel=1e-12)
        is_known = place <= 120
        assert taker == (pytest.approx(wanted["taker_buy_volume"], rel=1e-12) if is_known else None)


def test_a_long_candle_forms_from_final_ones_and_the_minutes_after_them(
    connection: Connection, warehouse: psycopg.Connection
) -> None:
    load(connection, walk(236), minutes(0, 236))
    run_stages(connection)
    # Seen only by who reads minutes: under a final half hour, under final 5m, under none.
    for place in (10, 212, 235):
        spoil = "UPDATE market.candle_1m SET high = %s WHERE open_time = %s"
        warehouse.execute(spoil, (1e6 + place, moment(place)))
    query = "SELECT high, children_present FROM market.forming_candle('4h', %s)"
    before = rows(connection, query, moment(235))
    assert before[0][0] < 1e6
    assert before[0][1] == 235
    assert rows(connection, query, moment(236)) == [(1e6 + 235, 236)]


def test_readers_see_every_forming_candle(connection: Connection, reader_dsn: str) -> None:
    [(now,)] = rows(connection, "SELECT date_trunc('minute', now(), 'UTC')")
    place = (now - START) // timedelta(minutes=1)
    load(connection, candles([place - 2, place - 1]), minutes(place - 2, place))
    with connect(reader_dsn, application="reader", autocommit=True) as reader:
        shown = rows(
            reader,
            "SELECT p.timeframe, p.children_present, p.open_time = f.open_time, t.label "
            "FROM market.timeframe AS t "
            "CROSS JOIN LATERAL market.forming_candle(t.label, now()) AS f "
            "LEFT JOIN market.provisional_candle AS p ON p.timeframe = t.label "
            "WHERE t.label <> '1m'",
        )
    # Right after a boundary there is nothing yet: the minutes before it are of another bucket.
    assert {(label, same) for label, _, same, _ in shown} <= {(label, True) for label in LEVELS}
    assert all(label == asked and present in (1, 2) for label, present, _, asked in shown)
    assert ("4h", 2) in {(label, present) for label, present, _, _ in shown} or place % 240 < 3
