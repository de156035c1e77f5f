"""Who asks for what is absent is told what is on its way, and what is held back."""

from __future__ import annotations

from datetime import datetime, timedelta

from include.market.span import Span
from include.warehouse.engine import Connection
from include.warehouse.landing import mark_checked, register_landing
from include.warehouse.repairs import held_spans, is_filling, spans_under_way
from tests.support.warehouse import (
    NOTHING_REFUSED,
    VENUE,
    candles,
    checked_landing,
    load_landing,
    minutes,
    query,
    seed_reference,
    sha,
)

HALF_A_DAY = minutes(0, 720)


def land(connection: Connection, span: Span, *, symbol: str = "BTCUSDT") -> int:
    landing = register_landing(
        connection, venue=VENUE.name, symbol=symbol, timeframe="1m", span=span,
        path=f"{symbol}-{span.start_ms}-{span.end_ms}", rows=1, payload_sha256=sha((symbol, span)),
        source="rest", run_id="fetch",
    )  # fmt: skip
    return landing.landing_id


def hold(connection: Connection, landing_id: int) -> None:
    mark_checked(
        connection, landing_id, clean_path=None, rows=0, verdict={}, held=True,
        quarantined=NOTHING_REFUSED,
    )  # fmt: skip


def now(connection: Connection) -> datetime:
    [(at,)] = query(connection, "SELECT clock_timestamp()")
    assert isinstance(at, datetime)
    return at


def filling(connection: Connection, symbol: str = "BTCUSDT", **later: float) -> bool:
    at = now(connection) + timedelta(**later)
    return is_filling(connection, "candle_1m", VENUE.name, symbol, at)


def test_history_is_filling_while_some_has_just_landed(connection: Connection) -> None:
    assert not filling(connection)
    land(connection, minutes(0, 719))
    assert not filling(connection), "a live fetch is no history"
    land(connection, HALF_A_DAY)
    assert filling(connection)
    assert not filling(connection, "ETHUSDT")
    assert not filling(connection, minutes=61)


def test_history_is_filling_also_when_it_is_loaded_already(connection: Connection) -> None:
    seed_reference(connection)
    landing = checked_landing(connection, HALF_A_DAY, path="a", rows=720)
    load_landing(connection, landing, candles(range(720)))
    assert query(connection, "SELECT DISTINCT state FROM ledger.landing") == [("loaded",)]
    assert filling(connection)
    assert not filling(connection, "ETHUSDT")
    assert not filling(connection, minutes=61)


def test_what_is_held_back_is_told_from_what_is_on_its_way(connection: Connection) -> None:
    seed_reference(connection)
    land(connection, minutes(0, 10))
    hold(connection, land(connection, minutes(20, 30)))
    hold(connection, land(connection, minutes(25, 40)))
    hold(connection, land(connection, minutes(50, 60), symbol="ETHUSDT"))
    whose = ("candle_1m", VENUE.name, "BTCUSDT")
    assert held_spans(connection, *whose) == [minutes(20, 40)]
    assert held_spans(connection, "candle_1m", "other", "BTCUSDT") == []
    assert spans_under_way(connection, *whose) == [minutes(0, 10), minutes(20, 40)]
