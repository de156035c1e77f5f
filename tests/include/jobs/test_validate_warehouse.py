"""The daily check of what is stored: sound rows pass, each planted fault is found and told once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psycopg
import pytest

from include.jobs.cascade import cascade_changes
from include.jobs.validate_warehouse import validate_warehouse
from include.market.settings import Settings
from include.market.timeframe import CASCADE
from include.notify.outbox import OutboxSender
from include.warehouse.engine import Connection, connect
from tests.support.warehouse import load_frame, minutes, moment, query, seed_reference, walk

DAY = 1440
AT = moment(DAY) + timedelta(minutes=1)


def sound(count: int) -> pd.DataFrame:
    """Return candles of a random walk whose volumes and counts are worth what they should be."""
    frame = walk(count)
    volume = np.random.default_rng(2).integers(1, 100, count).astype(np.float64)
    middle = (frame["low"] + frame["high"]) / 2
    return frame.assign(
        volume=volume,
        quote_volume=volume * middle,
        taker_buy_volume=volume / 4,
        taker_buy_quote_volume=volume * middle / 4,
        trade_count=volume.astype(np.int64),
    )


class Checked:
    """A warehouse with a day of one instrument, and its daily check as the jobs' login."""

    def __init__(self, owner: Connection, jobs: Connection, folder: Path) -> None:
        self.owner, self.jobs, self.outbox = owner, jobs, folder / "outbox"
        self.settings = Settings(quality_dir=str(folder / "quality"), check_days=2)

    def check(self, *, at: datetime = AT) -> dict[str, int]:
        return validate_warehouse(self.jobs, self.settings, OutboxSender(self.outbox), at=at)

    def told(self) -> list[str]:
        return [path.read_text() for path in sorted(self.outbox.rglob("*.md"))]

    def failures(self) -> list[tuple[Any, ...]]:
        """Return dataset, rule, severity and count of every failure kept, by run."""
        return query(
            self.owner,
            "SELECT dataset, rule, severity, unexpected_count FROM ledger.quality_result "
            "JOIN ledger.quality_run USING (quality_run_id) "
            "WHERE NOT quality_result.success AND rule <> 'listing_known' "
            "ORDER BY quality_run_id, place",
        )


@pytest.fixture
def checked(warehouse_dsn: str, loader_dsn: str, tmp_path: Path) -> Iterator[Checked]:
    with (
        connect(warehouse_dsn, application="test") as owner,
        connect(loader_dsn, application="test", autocommit=True) as jobs,
    ):
        seed_reference(owner, ["BTCUSDT"])
        load_frame(owner, sound(DAY), minutes(0, DAY))
        for source, target in CASCADE:
            cascade_changes(jobs, source, target, run_id="test")
        # What was stored today was over long before.
        yield Checked(owner, jobs, tmp_path)


def test_sound_rows_pass_and_nothing_is_told(checked: Checked) -> None:
    found = checked.check()
    assert checked.failures() == []
    assert found["failed_block"] == found["failed_warn"] == 0
    assert found["rows"] == DAY + sum(DAY // k for k in (5, 30, 240)) + 1
    assert checked.told() == []
    runs = query(
        checked.owner,
        "SELECT dataset, suite, rows, success, span_end FROM ledger.quality_run "
        "WHERE checkpoint = 'warehouse' ORDER BY quality_run_id",
    )
    assert [(row[0], row[1], row[2]) for row in runs] == [
        ("candle_1m", "stored_candles", DAY),
        ("candle_5m", "stored_coarse_candles", 288),
        ("candle_30m", "stored_coarse_candles", 48),
        ("candle_4h", "stored_coarse_candles", 6),
        ("instrument", "stored_instruments", 1),
        ("channel", "stored_channels", 0),
    ]
    assert all(row[3] for row in runs)
    results = query(
        checked.owner, "SELECT count(*), min(examples::text) FROM ledger.quality_result"
    )
    assert results[0][0] > 40
    assert (Path(checked.settings.quality_dir) / "data_docs" / "index.html").is_file()


def test_faults_of_stored_rows_are_found_kept_and_told_once(
    checked: Checked, warehouse_dsn: str
) -> None:
    with psycopg.connect(warehouse_dsn) as hand:
        hand.execute(
            "UPDATE market.candle_5m SET high = high + 1 WHERE open_time = %s", [moment(5)]
        )
        hand.execute(
            "UPDATE market.candle_4h SET volume = volume * 1.0001 WHERE open_time = %s", [moment(0)]
        )
        hand.execute(
            "UPDATE market.candle_1m SET taker_buy_volume = volume + 1 WHERE open_time = %s",
            [moment(700)],
        )
        hand.execute("DELETE FROM market.candle_1m WHERE open_time = %s", [moment(1000)])
    found = checked.check()
    assert checked.failures() == [
        ("candle_1m", "taker_volume", "block", 1),
        ("candle_1m", "continuity", "warn", 1),
        # The bucket whose child is gone, the one raised, and the one a wrong child was added to.
        ("candle_5m", "cross_resolution", "block", 3),
        ("candle_30m", "cross_resolution", "block", 1),
        ("candle_4h", "cross_resolution", "block", 1),
    ]
    assert (found["failed_block"], found["failed_warn"]) == (4, 1)
    (message,) = checked.told()
    assert "cross_resolution, taker_volume" in message
    assert "candle_5m: cross_resolution 3 of 288" in message
    example = query(
        checked.owner,
        "SELECT examples->0->>'instrument', examples->0->>'open_time' FROM ledger.quality_result "
        "WHERE rule = 'taker_volume' AND NOT success",
    )
    assert example == [("binance_spot:BTCUSDT", "2024-01-01T11:40:00.000Z")]
    checked.check(at=AT + timedelta(hours=1))
    assert len(checked.told()) == 1
    assert len(checked.failures()) == 10


def test_a_fault_that_comes_back_is_told_again(checked: Checked, warehouse_dsn: str) -> None:
    def shift(by: float) -> None:
        with psycopg.connect(warehouse_dsn) as hand:
            hand.execute("UPDATE market.candle_4h SET high = high + %s, low = low + 0", [by])

    shift(8)
    for hour in range(2):
        checked.check(at=AT + timedelta(hours=hour))
    assert len(checked.told()) == 1
    shift(-8)
    checked.check(at=AT + timedelta(hours=2))
    assert len(checked.told()) == 1
    shift(8)
    for hour in range(3, 5):
        checked.check(at=AT + timedelta(hours=hour))
    assert len(checked.told()) == 2
    # A second one beside the first is news; the first one alone again is none of both.
    with psycopg.connect(warehouse_dsn) as hand:
        hand.execute("UPDATE market.candle_30m SET high = high + 8")
    checked.check(at=AT + timedelta(hours=5))
    assert len(checked.told()) == 3


def test_children_on_their_way_are_no_contradiction(checked: Checked) -> None:
    revised = sound(DAY).iloc[[17]].assign(high=200.0)
    load_frame(checked.owner, revised, minutes(17, 18), path="file:///landing/later.parquet")
    checked.check()
    assert checked.failures() == []
    cascade_changes(checked.jobs, *CASCADE[0], run_id="test")
    checked.check(at=AT + timedelta(hours=1))
    assert checked.failures() == []


def test_a_repeated_check_of_the_same_instant_is_kept_once(checked: Checked) -> None:
    first = checked.check()
    assert checked.check() == first
    (runs,) = query(checked.owner, "SELECT count(*) FROM ledger.quality_run")
    assert runs == (first["batches"],)


def test_many_instruments_are_judged_in_parts(
    checked: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    import include.jobs.validate_warehouse as job

    ids = seed_reference(checked.owner, ["BTCUSDT", "ETHUSDT"])
    load_frame(checked.owner, sound(60), minutes(0, 60), symbol="ETHUSDT", path="file:///e.parquet")
    monkeypatch.setattr(job, "MOST_ROWS", DAY)
    checked.check()
    batches = query(
        checked.owner,
        "SELECT batch, rows FROM ledger.quality_run WHERE dataset = 'candle_1m' ORDER BY batch",
    )
    one, two = ids["BTCUSDT"], ids["ETHUSDT"]
    assert batches == [
        (f"instruments {one} to {one}", DAY),
        (f"instruments {two} to {two}", 60),
    ]
    assert checked.failures() == []


def test_an_empty_warehouse_is_legal(warehouse_dsn: str, loader_dsn: str, tmp_path: Path) -> None:
    with connect(loader_dsn, application="test", autocommit=True) as jobs:
        found = validate_warehouse(
            jobs,
            Settings(quality_dir=str(tmp_path / "quality")),
            OutboxSender(tmp_path / "outbox"),
            at=AT,
        )
    assert found == {
        "batches": 2, "rows": 0, "failed_block": 0, "failed_warn": 0, "failed_info": 0,
    }  # fmt: skip
