"""Drift watched over a warehouse: quiet while nothing drifts, told once, handed to the models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from include.jobs.cascade import cascade_changes
from include.jobs.fit_channels import fit_changed
from include.jobs.watch_drift import settled_end_ms, watch_drift
from include.market.candle import FOREIGN
from include.market.settings import Settings
from include.market.span import Span
from include.market.timeframe import CASCADE, DAY_MS, H4
from include.notify.outbox import OutboxSender
from include.warehouse.engine import Connection, connect
from include.warehouse.gaps import Gap
from tests.support.warehouse import START, START_MS, load_frame, minutes, query, seed_reference

DAYS = 11
AT = START + timedelta(days=DAYS, hours=5, minutes=10)
SETTINGS = Settings(drift_window_days=1, drift_reference_days=10)
EPISODES = "SELECT measure, kind, advice, gone_at IS NULL FROM ledger.drift_episode ORDER BY 1"
MINUTES = 1440


def market(seed: int, days: int = DAYS) -> pd.DataFrame:
    """Return 1m candles of a market that stays as it is."""
    draw = np.random.default_rng(seed)
    count = days * MINUTES
    close = 100 * np.exp(np.cumsum(draw.normal(0, 5e-4, count)))
    opened = np.concatenate([[100.0], close[:-1]]) * np.exp(draw.normal(0, 1e-5, count))
    counts = draw.poisson(40, count) + 1
    volume = counts * draw.lognormal(0, 0.3, count)
    columns: dict[str, Any] = {
        "open_time": pd.date_range(START, periods=count, freq="1min", unit="us"),
        "open": opened,
        "high": np.maximum(opened, close) * np.exp(np.abs(draw.normal(0, 2e-4, count))),
        "low": np.minimum(opened, close) * np.exp(-np.abs(draw.normal(0, 2e-4, count))),
        "close": close,
        "volume": volume,
        "quote_volume": volume * close,
        "taker_buy_volume": volume / 2,
        "taker_buy_quote_volume": volume * close / 2,
        "trade_count": counts,
    }
    return pd.DataFrame(columns)


@pytest.fixture
def conn(loader_dsn: str, warehouse_dsn: str) -> Iterator[Connection]:
    with connect(warehouse_dsn, application="test") as owner:
        seed_reference(owner)
    connection = connect(loader_dsn, application="test", autocommit=True)
    yield connection
    connection.close()


def store(conn: Connection, frame: pd.DataFrame, symbol: str = "BTCUSDT", **named: Any) -> None:
    load_frame(conn, frame, minutes(0, DAYS * MINUTES), symbol=symbol, path=symbol, **named)
    for source, target in CASCADE:
        cascade_changes(conn, source, target, run_id="test")


def from_day(frame: pd.DataFrame, day: int, **factors: float) -> pd.DataFrame:
    """Return ``frame`` with columns multiplied from a day on."""
    late = (frame["open_time"] >= START + timedelta(days=day)).to_numpy()
    return frame.assign(
        **{name: np.where(late, frame[name] * factor, frame[name])
           for name, factor in factors.items()}
    )  # fmt: skip


def test_a_quiet_market_is_judged_and_nobody_is_told(conn: Connection, tmp_path: Path) -> None:
    store(conn, market(1))
    sender = OutboxSender(tmp_path)
    first = watch_drift(conn, SETTINGS, sender, at=AT)
    # 1m, 5m and 30m, seven measures each; windows of a day hold too few candles of 4h.
    assert first == {"series": 3, "tests": 21, "drifts": 0, "told": 0}
    kinds = query(conn, "SELECT kind, count(*) FROM ledger.drift_verdict GROUP BY 1 ORDER BY 1")
    assert kinds == [("distribution", 21), ("unit", 7)]
    spans = query(
        conn,
        "SELECT DISTINCT window_start, window_end, tests FROM ledger.drift_verdict "
        "WHERE kind = 'distribution'",
    )
    assert spans == [(START + timedelta(days=10), START + timedelta(days=11), 21)]
    assert watch_drift(conn, SETTINGS, sender, at=AT) == first
    assert query(conn, "SELECT count(*) FROM ledger.drift_verdict") == [(28,)]
    assert not list(tmp_path.glob("*"))


def test_a_market_that_changed_is_told_once_and_refitted(conn: Connection, tmp_path: Path) -> None:
    louder = market(2)
    late = louder["open_time"] >= START + timedelta(days=10)
    louder.loc[late, "high"] *= 1.004
    louder.loc[late, "low"] /= 1.004
    store(conn, louder)
    store(conn, market(3), "ETHUSDT")
    sender = OutboxSender(tmp_path)
    first = watch_drift(conn, SETTINGS, sender, at=AT)
    assert first["drifts"] == first["told"] == 6
    rows = query(
        conn,
        "SELECT DISTINCT instrument_id, measure, kind, advice, began_at FROM ledger.drift_episode",
    )
    # Wider moves of as much volume: nothing else.
    assert sorted(rows) == [
        (1, measure, "distribution", "refit", START + timedelta(days=10))
        for measure in ("impact", "range")
    ]
    (message,) = tmp_path.glob("*")
    assert "range spreads otherwise than before" in message.read_text()
    assert watch_drift(conn, SETTINGS, sender, at=AT)["told"] == 0
    assert len(list(tmp_path.glob("*"))) == 1


def test_a_fit_is_made_anew_when_its_candles_drifted_though_none_changed(
    conn: Connection, tmp_path: Path
) -> None:
    store(conn, market(2))
    assert fit_changed(conn, H4, SETTINGS)["instruments"] == 1
    assert fit_changed(conn, H4, SETTINGS)["instruments"] == 0
    conn.execute(
        "INSERT INTO ledger.drift_episode (instrument_id, timeframe, kind, measure, advice, "
        "began_at, detail, first_seen_at, last_seen_at) VALUES (1, '4h', 'distribution', 'range', "
        "'refit', %(at)s, 'range', %(at)s, %(at)s), (2, '5m', 'distribution', 'range', 'refit', "
        "%(at)s, 'another timeframe', %(at)s, %(at)s)",
        {"at": AT},
    )
    assert fit_changed(conn, H4, SETTINGS)["instruments"] == 1
    assert fit_changed(conn, H4, SETTINGS)["instruments"] == 0
    assert query(conn, "SELECT handed_to FROM ledger.drift_episode ORDER BY instrument_id") == [
        (["fit_channels_4h"],),
        ([],),
    ]


def test_another_unit_declines_the_channel_until_it_is_declared(
    conn: Connection, warehouse_dsn: str, tmp_path: Path
) -> None:
    unit = {name: 0.001 for name in ("open", "high", "low", "close")}  # noqa: C420
    redenominated = from_day(market(4), 9, **unit, volume=1000, taker_buy_volume=1000)
    store(conn, redenominated)
    sender = OutboxSender(tmp_path)
    settings = replace(SETTINGS, segment_min_candles=4)
    told = watch_drift(conn, settings, sender, at=AT)
    units = [row for row in query(conn, EPISODES) if row[1] == "unit"]
    assert units == [
        ("price_scale", "unit", "decline", True),
        ("volume_scale", "unit", "decline", True),
    ]
    assert told["told"] == told["drifts"] >= 2
    fit_changed(conn, H4, settings)
    reasons = query(
        conn,
        "SELECT parameters ->> 'declined_reason' FROM model.fit_run WHERE is_current",
    )
    assert reasons[0][0].startswith("drift of price_scale since 2024-01-10: prices jumped by")
    # The next day's window shows no step, and still the old candles are in another unit.
    watch_drift(conn, settings, sender, at=AT)
    assert [row[3] for row in query(conn, EPISODES) if row[1] == "unit"] == [True, True]

    with connect(warehouse_dsn, application="test") as owner:
        owner.execute(
            "INSERT INTO market.corporate_action (venue_id, instrument_id, successor_id, "
            "old_symbol, new_symbol, effective_at, factor) SELECT venue_id, 1, 1, symbol, symbol, "
            "%s, 0.001 FROM market.instrument WHERE instrument_id = 1",
            (START + timedelta(days=9),),
        )
        owner.commit()
    watch_drift(conn, settings, sender, at=AT)
    assert [row[3] for row in query(conn, EPISODES) if row[1] == "unit"] == [False, False]
    quiet = query(
        conn, "SELECT measure FROM ledger.drift_verdict WHERE kind = 'distribution' AND alarm"
    )
    assert quiet == []


def test_what_another_venue_lent_is_no_drift(conn: Connection, tmp_path: Path) -> None:
    frame = market(6)
    lent = np.arange(len(frame)) >= 10 * MINUTES + 40
    swollen = {
        name: np.where(lent, frame[name] * 1000, frame[name])
        for name in ("volume", "quote_volume", "taker_buy_volume", "taker_buy_quote_volume")
    }
    store(conn, frame.assign(**swollen, flags=np.where(lent, FOREIGN, 0)))
    found = watch_drift(conn, SETTINGS, OutboxSender(tmp_path), at=AT)
    assert (found["drifts"], found["told"]) == (0, 0)
    judged = query(conn, "SELECT max(window_end), min(candles) FROM ledger.drift_verdict")
    assert judged == [(START + timedelta(days=11), 40)], "its own forty minutes are"


def test_what_is_not_proven_loaded_is_not_judged(conn: Connection, tmp_path: Path) -> None:
    frame = market(5)
    hole = minutes(10 * MINUTES + 60, 10 * MINUTES + 70)
    absent = (frame["open_time"] >= hole.start_time) & (frame["open_time"] < hole.end_time)
    store(conn, frame[~absent], gaps=[Gap(hole, "unknown", {})])
    found = watch_drift(conn, SETTINGS, OutboxSender(tmp_path), at=AT)
    assert found["tests"] == 0
    judged = query(conn, "SELECT max(window_end) FROM ledger.drift_verdict")
    assert judged == [(START + timedelta(days=10),)]


def test_only_a_rested_day_is_judged(conn: Connection) -> None:
    midnight = START + timedelta(days=3)
    early, late = midnight + timedelta(hours=3, minutes=59), midnight + timedelta(hours=4)
    assert settled_end_ms(SETTINGS, early) == START_MS + 2 * DAY_MS
    assert settled_end_ms(SETTINGS, late) == START_MS + 3 * DAY_MS
    assert Span(START_MS, START_MS + 3 * DAY_MS).end_time == midnight
