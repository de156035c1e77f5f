"""What is stored of derived rows, and what they would be if all were derived at once."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from include.cascade.bars import Stretch
from include.cascade.features import COUNT_FEATURES, FEATURES, derive_features
from include.cascade.sessions import Session, session_returns
from include.jobs.derive_features import derive_changed
from include.market.settings import Settings
from include.market.span import Span, to_ms
from include.market.timeframe import DAY_MS, M1, parse_timeframe
from include.warehouse.derived import read_minutes, unit_changes
from include.warehouse.engine import Connection
from include.warehouse.ledger import coverage
from include.warehouse.session_returns import touched_sessions
from tests.support.warehouse import START_MS, query, walk

LABELS = ["5m", "30m"]
SETTINGS = Settings(feature_timeframes=LABELS)
NOTHING = {"inserted": 0, "updated": 0, "unchanged": 0, "withdrawn": 0}
ALL = Span(START_MS - 40 * DAY_MS, START_MS + 400 * DAY_MS)
Key = tuple[str, int, int]


def stored_features(connection: Connection) -> dict[Key, tuple[Any, ...]]:
    """Return every stored bar: its values by timeframe, instrument and open time (epoch ms)."""
    rows = connection.execute(
        f"SELECT timeframe, instrument_id, open_time, {', '.join(FEATURES)} FROM market.feature"
    ).fetchall()
    return {(label, owner, to_ms(at)): tuple(values) for label, owner, at, *values in rows}


def features_from_scratch(
    connection: Connection, labels: list[str], owners: list[int]
) -> dict[Key, tuple[Any, ...]]:
    """Return what all stored minutes give, derived in one piece."""
    found: dict[Key, tuple[Any, ...]] = {}
    units = unit_changes(connection, owners)
    for label in labels:
        for owner in owners:
            covered = coverage(connection, "candle_1m", owner)
            stretch = Stretch(owner, ALL, covered, units[owner])
            minutes = read_minutes(connection, [(owner, ALL)])
            rows = derive_features(minutes, parse_timeframe(label), [stretch])
            for place, at in enumerate(rows.open_us.tolist()):
                values = (rows.columns[name][place] for name in FEATURES)
                found[label, owner, at // 1000] = tuple(
                    _plain(name, float(value)) for name, value in zip(FEATURES, values, strict=True)
                )
    return found


def stored_returns(connection: Connection) -> dict[tuple[int, int], tuple[Any, ...]]:
    """Return every stored session return by instrument and session."""
    rows = connection.execute(
        "SELECT instrument_id, session_id, open_price, close_price, log_return, "
        "realised_variance, vwap, candles_present, candles_expected FROM market.session_return"
    ).fetchall()
    return {(owner, session): tuple(values) for owner, session, *values in rows}


def returns_from_scratch(
    connection: Connection, owners: list[int]
) -> dict[tuple[int, int], tuple[Any, ...]]:
    """Return what all stored minutes give, session by session."""
    units = unit_changes(connection, owners)
    found = {}
    for one in touched_sessions(connection, {owner: [ALL] for owner in owners}):
        covered = coverage(connection, M1.dataset, one.instrument_id)
        session = Session(
            one.instrument_id, one.session_id, one.span, covered, units[one.instrument_id]
        )
        minutes = read_minutes(connection, [(one.instrument_id, one.span)])
        for gain in session_returns(minutes, [session]):
            found[one.instrument_id, one.session_id] = (
                gain.open_price, gain.close_price, gain.log_return, gain.realised_variance,
                gain.vwap, gain.candles_present, gain.candles_expected,
            )  # fmt: skip
    return found


def _plain(name: str, value: float) -> float | int | None:
    if math.isnan(value):
        return None
    return int(value) if name in COUNT_FEATURES else value


def traded(count: int, **options: Any) -> pd.DataFrame:
    """Return a walk whose volumes cost what its prices say."""
    frame = walk(count, **options)
    middle = np.sqrt(frame["high"] * frame["low"])
    return frame.assign(
        quote_volume=frame["volume"] * middle,
        taker_buy_volume=frame["volume"] * 0.25,
        taker_buy_quote_volume=frame["volume"] * 0.25 * middle,
    )


def owners_of(conn: Connection) -> list[int]:
    """Return the ids of all instruments."""
    return [owner for (owner,) in query(conn, "SELECT instrument_id FROM market.instrument")]


def derive(conn: Connection, **options: Any) -> dict[str, int]:
    """Let the job run once."""
    return derive_changed(conn, SETTINGS, **({"run_id": "test"} | options))


def check(conn: Connection) -> None:
    """Assert that all that is stored is what follows from the minutes that are stored."""
    owners = owners_of(conn)
    assert stored_features(conn) == features_from_scratch(conn, LABELS, owners)
    assert stored_returns(conn) == returns_from_scratch(conn, owners)


def changes(conn: Connection, dataset: str) -> list[tuple[Any, ...]]:
    """Return what the ledger was told of ``dataset``."""
    return query(
        conn,
        "SELECT instrument_id, span_start, span_end, reason FROM ledger.change "
        "WHERE dataset = %s ORDER BY change_id",
        dataset,
    )
