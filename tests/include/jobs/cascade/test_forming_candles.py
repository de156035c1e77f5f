"""Candles still forming: shown to readers, never stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from include.cascade.rollup import roll_up
from include.market.candle import PARTIAL, SNAPPED
from include.market.timeframe import M1, M30
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
