"""A source that never states some columns, down the whole river: null, not zero, not invented."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from include.exchanges.rows import NOT_STATED, CandleRows
from include.exchanges.traits import VenueTraits
from include.jobs.storage import payload_sha256, write_rows
from include.market.candle import DECLARABLE_COLUMNS, OPTIONAL_COLUMNS, VALUE_COLUMNS
from include.market.instrument import InstrumentRecord, VenueRecord
from include.market.span import Span, from_ms
from include.market.timeframe import CASCADE, DAY_MS, M1
from include.warehouse.landing import register_landing
from include.warehouse.reference import sync_instruments
from tests.support.invariants import check_accounts, check_cascade
from tests.support.river import River

START_MS = 20_000 * DAY_MS
MINUTES = 3 * 1440
RICH = VenueTraits(page_limit=1000)
POOR = VenueTraits(page_limit=1000, absent_columns=DECLARABLE_COLUMNS)
LABELS = ("1m", *(target.label for _, target in CASCADE))


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


def candle_rows(first: int, last: int, traits: VenueTraits) -> CandleRows:
    """Return the minutes [first, last) as a source with ``traits`` sends them."""
    opens = START_MS + np.arange(first, last, dtype=np.int64) * M1.length_ms
    close = 100 + np.sin(np.arange(first, last) / 97)
    stated = {"open": close, "high": close + 1, "low": close - 1, "close": close, "volume": 10.0}
    stated |= {"quote_volume": 10 * close, "taker_buy_volume": 4.0, "trade_count": 7.0}
    stated |= {"taker_buy_quote_volume": 4 * close}
    absent = traits.absent_columns
    values = np.column_stack(
        [
            np.broadcast_to(np.nan if name in absent else stated[name], len(opens))
            for name in VALUE_COLUMNS
        ]
    )
    closes = np.where("close_time" in absent, NOT_STATED, opens + M1.length_ms - 1)
    raw = [f"[{instant}, {price}]".encode() for instant, price in zip(opens, close, strict=True)]
    return CandleRows(opens, closes, values, raw)


def land(river: River, first: int, last: int, traits: VenueTraits, *, path: str) -> None:
    rows = candle_rows(first, last, traits)
    address = f"{river.settings.landing_url}/{path}.parquet"
    write_rows(river.open_path(address), rows, server_time_ms=START_MS + 9 * DAY_MS, traits=traits)
    register_landing(
        river.conn,
        venue="binance_spot",
        symbol="BTCUSDT",
        timeframe="1m",
        span=Span(START_MS + first * M1.length_ms, START_MS + last * M1.length_ms),
        path=address,
        rows=len(rows),
        payload_sha256=payload_sha256(rows),
        source="ccxt",
        run_id="test",
    )


def flow(river: River, *, run_id: str) -> dict[str, int]:
    assert river.check()["refused"] == 0
    loaded = river.load(run_id=run_id)
    river.cascade(run_id=run_id)
    return loaded


def count_absent(river: River, label: str) -> tuple[int, ...]:
    """Return the number of candles, and of nulls in each optional column."""
    nulls = ", ".join(f"count(*) - count({name})" for name in OPTIONAL_COLUMNS)
    row = river.conn.execute(f"SELECT count(*), {nulls} FROM market.candle_{label}").fetchone()
    return row or ()


def test_what_is_never_stated_is_null_in_every_table_and_nobody_is_shown_nan(river: River) -> None:
    land(river, 0, MINUTES, POOR, path="poor")
    assert flow(river, run_id="one")["inserted"] == MINUTES
    for label in LABELS:
        count, *nulls = count_absent(river, label)
        assert nulls == [count] * len(OPTIONAL_COLUMNS)
        assert count > 0
    sums = river.conn.execute("SELECT DISTINCT volume, source FROM market.candle_4h").fetchall()
    assert sums == [(2400.0, "cascade")]
    assert river.model()["instruments"] == 1
    assert river.publish()["charts"] == 1
    notes = [note.read_text() for note in river.outbox.glob("*.md")]
    assert len(notes) >= 2
    assert not any(re.search(r"\b(nan|none|null)\b", note.lower()) for note in notes)

    land(river, 0, MINUTES, POOR, path="poor again")
    again = flow(river, run_id="two")
    assert (again["inserted"], again["updated"], again["unchanged"]) == (0, 0, MINUTES)
    check_accounts(river.conn)
    check_cascade(river.conn)


def test_a_bucket_of_two_sources_lacks_what_one_of_them_never_states(river: River) -> None:
    # The seventh minute is where the poorer source begins: inside a bucket of every length.
    land(river, 0, 7, RICH, path="rich")
    land(river, 7, 600, POOR, path="poor")
    flow(river, run_id="one")
    assert count_absent(river, "1m") == (600, *[593] * 4)
    assert count_absent(river, "5m") == (120, *[119] * 4)
    assert count_absent(river, "30m") == (20, *[20] * 4)
    assert count_absent(river, "4h") == (2, *[2] * 4)
    check_cascade(river.conn)

    # When the better source comes up with the rest, the sums become known.
    land(river, 7, 600, RICH, path="late")
    assert flow(river, run_id="two")["updated"] == 593
    for label in LABELS:
        assert count_absent(river, label)[1:] == (0, 0, 0, 0)
    counts = river.conn.execute("SELECT DISTINCT trade_count FROM market.candle_4h").fetchall()
    assert counts == [(7 * 240,)]
    check_cascade(river.conn)


def test_the_absence_of_a_column_that_was_not_declared_is_refused(river: River) -> None:
    land(river, 0, 100, POOR, path="poor")
    stored = river.settings.landing_url + "/poor.parquet"
    rows = candle_rows(0, 100, POOR)
    write_rows(river.open_path(stored), rows, server_time_ms=START_MS + DAY_MS, traits=RICH)
    assert river.check() == {"accepted": 0, "refused": 100, "held": 1}
    found = river.conn.execute("SELECT DISTINCT rule FROM ledger.quarantine").fetchall()
    assert found == [("not_a_number",)]
