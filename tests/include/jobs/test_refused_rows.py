"""Bad rows through gate and warehouse: none is lost, none is loaded, and the rest goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from include.exchanges.binance_spot.client import TRAITS
from include.jobs.storage import payload_sha256, write_rows
from include.market.instrument import InstrumentRecord, VenueRecord
from include.market.span import Span, from_ms
from include.market.timeframe import DAY_MS, M1
from include.warehouse.landing import register_landing
from include.warehouse.ledger import coverage
from include.warehouse.reference import sync_instruments
from tests.support.invariants import check_accounts
from tests.support.klines import candle_rows
from tests.support.klines import kline as a_kline
from tests.support.river import River

START_MS = 20_000 * DAY_MS
MINUTES = 100


@pytest.fixture
def river(warehouse_dsn: str, tmp_path: Path) -> Iterator[River]:
    river = River(warehouse_dsn, "http://127.0.0.1:9", tmp_path, ("BTCUSDT",))
    with river.conn.transaction():
        sync_instruments(
            river.conn,
            VenueRecord("binance_spot", "Binance Spot"),
            [InstrumentRecord("BTCUSDT", "BTC", "USDT", "spot", "TRADING", "0.01", "0.00001")],
            observed_at=from_ms(START_MS - DAY_MS),
        )
    yield river
    river.close()


def kline(minute: int, **changes: Any) -> list[Any]:
    return a_kline(START_MS + minute * M1.length_ms, **changes)


def land(river: River, rows: list[list[Any]], *, symbol: str = "BTCUSDT") -> None:
    parsed = candle_rows(rows)
    path = f"{river.settings.landing_url}/{symbol}-{len(rows)}.parquet"
    write_rows(river.open_path(path), parsed, server_time_ms=START_MS + DAY_MS, traits=TRAITS)
    register_landing(
        river.conn,
        venue="binance_spot",
        symbol=symbol,
        timeframe="1m",
        span=Span(START_MS, START_MS + MINUTES * M1.length_ms),
        path=path,
        rows=len(rows),
        payload_sha256=payload_sha256(parsed),
        source="rest",
        run_id="test",
    )


def quarantined(river: River) -> dict[str, list[Any]]:
    rows = river.conn.execute("SELECT rule, payload FROM ledger.quarantine ORDER BY 1").fetchall()
    return dict(rows)


def test_one_bad_row_is_kept_raw_with_its_rule_and_the_rest_is_loaded(river: River) -> None:
    broken = kline(30, high="98")
    land(river, [broken if minute == 30 else kline(minute) for minute in range(MINUTES)])
    assert river.check() == {"accepted": 99, "refused": 1, "held": 0}
    assert river.load(run_id="test")["inserted"] == 99
    assert quarantined(river) == {"ohlc_order": broken}
    check_accounts(river.conn)
    gaps = river.conn.execute("SELECT reason, span_start FROM ledger.gap").fetchall()
    assert gaps == [("unknown", from_ms(START_MS + 30 * M1.length_ms))]


def test_a_refused_minute_is_not_proven_and_its_bucket_waits(river: River) -> None:
    rows = [kline(minute) for minute in range(MINUTES)]
    rows[30] = kline(30, low="n/a")
    land(river, rows)
    river.check()
    river.load(run_id="test")
    river.cascade(run_id="test")
    hole = START_MS + 30 * M1.length_ms
    covered = coverage(river.conn, "candle_1m", 1)
    assert next(span.end_ms for span in covered) == hole
    opens = river.conn.execute("SELECT open_time FROM market.candle_5m ORDER BY 1").fetchall()
    assert (from_ms(hole),) not in opens
    assert len(opens) == MINUTES // 5 - 1


def test_a_repaired_minute_fills_the_gap_and_completes_its_bucket(river: River) -> None:
    rows = [kline(minute) for minute in range(MINUTES)]
    land(river, [row for row in rows if row is not rows[30]] + [kline(30, low="n/a")])
    river.check()
    river.load(run_id="test")
    river.cascade(run_id="test")
    land(river, [*rows, rows[0]])
    river.check()
    assert river.load(run_id="again")["inserted"] == 1
    river.cascade(run_id="again")
    gap = river.conn.execute("SELECT closed_at IS NOT NULL FROM ledger.gap").fetchall()
    assert gap == [(True,)]
    coarse = river.conn.execute("SELECT count(*), min(children_present) FROM market.candle_5m")
    assert coarse.fetchone() == (MINUTES // 5, 5)


def test_a_batch_with_too_many_bad_rows_is_held_and_told_of_once(river: River) -> None:
    land(river, [kline(m, high="98") if m % 10 == 0 else kline(m) for m in range(MINUTES)])
    assert river.check()["held"] == 1
    assert river.check() == {}
    assert river.load(run_id="test") == {}
    assert river.conn.execute("SELECT count(*) FROM market.candle_1m").fetchone() == (0,)
    (note,) = river.outbox.glob("*.md")
    assert "ohlc_order: 10" in note.read_text()
    check_accounts(river.conn)


def test_a_symbol_nobody_knows_goes_to_quarantine_with_all_its_rows(river: River) -> None:
    land(river, [kline(minute) for minute in range(MINUTES)], symbol="NOPEUSDT")
    river.check()
    assert river.load(run_id="test")["quarantined"] == MINUTES
    assert set(quarantined(river)) == {"unknown_instrument"}
    check_accounts(river.conn)


def test_a_revised_candle_flows_down_and_what_was_known_before_is_kept(river: River) -> None:
    land(river, [kline(minute) for minute in range(MINUTES)])
    river.check()
    river.load(run_id="one")
    river.cascade(run_id="one")
    before = river.conn.execute("SELECT clock_timestamp()").fetchone()
    assert before is not None
    revised = [kline(minute) for minute in range(MINUTES)]
    revised[7] = kline(7, high="150", close="140")
    land(river, [*revised, revised[0]])
    river.check()
    assert river.load(run_id="two")["updated"] == 1
    assert river.cascade(run_id="two")["5m"] == {"inserted": 0, "updated": 1, "withdrawn": 0}
    top = "SELECT max(high) FROM market.candle_{}".format
    assert river.conn.execute(top("5m")).fetchone() == (150.0,)
    known = river.conn.execute(
        "SELECT max(high) FROM market.candle_as_of('5m', %s)", (before[0],)
    ).fetchone()
    assert known == (102.0,)


def test_payloads_are_json_that_people_can_query(river: River) -> None:
    land(river, [kline(m, high="98" if m == 3 else "102") for m in range(MINUTES)])
    river.check()
    (payload,) = quarantined(river).values()
    assert json.loads(json.dumps(payload))[2] == "98"
