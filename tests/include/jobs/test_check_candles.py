"""What the gate found is kept as a run of its suite: small, and only failures one by one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from include.exchanges.binance_spot.client import TRAITS
from include.jobs.check_candles import check_landings
from include.jobs.landed_work import plan_shards
from include.jobs.storage import payload_sha256, write_rows
from include.jobs.tell_news import tell_news
from include.market.errors import SourceUnavailableError
from include.market.span import to_ms
from include.notify.outbox import OutboxSender
from include.notify.sender import Message, Receipt
from include.warehouse.engine import connect
from include.warehouse.landing import register_landing
from tests.support.klines import candle_rows, kline
from tests.support.river import River
from tests.support.warehouse import START_MS, minutes, moment, query, seed_reference


@pytest.fixture
def river(warehouse_dsn: str, tmp_path: Path) -> Iterator[River]:
    river = River(warehouse_dsn, "http://127.0.0.1:9", tmp_path, ("BTCUSDT",))
    with connect(warehouse_dsn, application="test") as owner:
        seed_reference(owner, ["BTCUSDT"])
    yield river
    river.close()


def land(river: River, first: int, count: int, **changes: Any) -> None:
    """Land minutes from ``first``; ``changes`` go into the last one."""
    places = [START_MS + (first + place) * 60_000 for place in range(count)]
    parsed = candle_rows([*(kline(place) for place in places[:-1]), kline(places[-1], **changes)])
    path = f"{river.settings.landing_url}/{first}.parquet"
    server_ms = to_ms(moment(0) + timedelta(days=1))
    write_rows(river.open_path(path), parsed, server_time_ms=server_ms, traits=TRAITS)
    register_landing(
        river.conn,
        venue="binance_spot",
        symbol="BTCUSDT",
        timeframe="1m",
        span=minutes(first, first + count),
        path=path,
        rows=count,
        payload_sha256=payload_sha256(parsed),
        source="rest",
        run_id="fetch",
    )


def test_a_run_of_the_gate_is_kept_with_its_failures_alone(river: River) -> None:
    land(river, 0, 40)
    land(river, 100, 60, high="1.0")
    assert river.check() == {"accepted": 99, "refused": 1, "held": 0}
    (run,) = query(
        river.conn,
        "SELECT checkpoint, suite, dataset, batch, span_start, span_end, rows, success, "
        "failed_block, failed_warn, expectations FROM ledger.quality_run",
    )
    assert run[:4] == ("gate", "landed_candles", "candle_1m", "2 landings from 1")
    assert run[4:6] == (moment(0), moment(160))
    assert run[6:10] == (100, False, 2, 0)
    assert run[10] > 15
    result, unit = query(
        river.conn,
        "SELECT rule, severity, unexpected_count, unexpected_percent, expectation, columns, "
        "examples->0->>'open_time' FROM ledger.quality_result ORDER BY place",
    )
    assert unit[0] == "quote_volume_unit"
    assert result[:4] == ("ohlc_order", "block", 1, 1.0)
    assert result[4:6] == ("expect_candles_to_be_ordered", ["open", "high", "low", "close"])
    assert result[6] == "2024-01-01T02:39:00.000Z"


def test_a_sound_run_is_one_row(river: River) -> None:
    land(river, 0, 10)
    river.check()
    assert query(river.conn, "SELECT success, rows FROM ledger.quality_run") == [(True, 10)]
    assert query(river.conn, "SELECT count(*) FROM ledger.quality_result") == [(0,)]
    assert river.check() == {}
    assert query(river.conn, "SELECT count(*) FROM ledger.quality_run") == [(1,)]


def test_a_held_batch_nobody_heard_of_is_told_later(river: River, tmp_path: Path) -> None:
    class Deaf:
        def send(self, message: Message) -> Receipt:
            raise SourceUnavailableError("no route")

    land(river, 0, 1, high="1.0")
    land(river, 100, 2, high="1.0")
    [[first, second]] = plan_shards(river.conn, state="landed")
    check_landings(river.conn, river.open_path, river.settings, Deaf(), [first])
    outbox = OutboxSender(tmp_path / "told")
    check_landings(river.conn, river.open_path, river.settings, outbox, [second])
    assert len(list((tmp_path / "told").glob("*.md"))) == 1
    assert tell_news(river.conn, outbox, "other", at=moment(0))["held"] == 0
    assert tell_news(river.conn, Deaf(), "binance_spot", at=moment(0))["held"] == 0
    assert tell_news(river.conn, outbox, "binance_spot", at=moment(0))["held"] == 1
    assert tell_news(river.conn, outbox, "binance_spot", at=moment(0))["held"] == 0
    texts = [path.read_text() for path in sorted((tmp_path / "told").glob("*.md"))]
    assert sum("1 of 1 rows of binance_spot BTCUSDT" in text for text in texts) == 1
    assert sum("1 of 2 rows of binance_spot BTCUSDT" in text for text in texts) == 1
    assert sum(f"landing_id = {first}." in text for text in texts) == 1
    assert all("(ohlc_order: 1)" in text for text in texts)
