"""Builders for tests of the warehouse: candle frames, reference data, landings ready to load."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from include.market.candle import ABSENT_COUNT, CANDLE_COLUMNS, VALUE_COLUMNS
from include.market.instrument import InstrumentRecord, VenueRecord
from include.market.span import Span, from_ms, to_ms
from include.market.timeframe import M1, Timeframe
from include.warehouse.engine import Connection
from include.warehouse.fence import take_fence
from include.warehouse.gaps import Gap
from include.warehouse.landing import Landing, get_landing, mark_checked, register_landing
from include.warehouse.loader import load_candles, load_scope
from include.warehouse.merge import LoadReceipt
from include.warehouse.reference import instrument_ids, sync_instruments

VENUE = VenueRecord("binance_spot", "Binance Spot")
START = datetime(2024, 1, 1, tzinfo=UTC)
START_MS = to_ms(START)
MINUTE_MS = M1.length_ms
NOTHING_REFUSED = pd.DataFrame({name: [] for name in ("open_time", "raw", "rule", "detail")})


def instrument(symbol: str, **changes: Any) -> InstrumentRecord:
    """Return a spot instrument against USDT."""
    stated = {
        "symbol": symbol,
        "base_asset": symbol.removesuffix("USDT"),
        "quote_asset": "USDT",
        "kind": "spot",
        "status": "TRADING",
        "tick_size": "0.01000000",
        "lot_size": "0.00001000",
    }
    return InstrumentRecord(**(stated | changes))


def seed_reference(
    connection: Connection, symbols: Sequence[str] = ("BTCUSDT", "ETHUSDT")
) -> dict[str, int]:
    """Make the venue and its instruments known, and commit; return the ids by symbol."""
    records = [instrument(symbol) for symbol in symbols]
    sync_instruments(connection, VENUE, records, observed_at=START)
    ids = instrument_ids(connection, VENUE.name)
    connection.commit()
    return ids


def minutes(first: int, last: int) -> Span:
    """Return the span of the minutes [first, last) after START."""
    return Span(START_MS + first * MINUTE_MS, START_MS + last * MINUTE_MS)


def candles(
    places: Sequence[int], *, price: float | Sequence[float] = 100.0, timeframe: Timeframe = M1
) -> pd.DataFrame:
    """Return one flat candle per place on the grid, counted from START; ``price`` is its value."""
    opens_us = [(START_MS + place * timeframe.length_ms) * 1000 for place in places]
    prices = np.broadcast_to(np.asarray(price, dtype=np.float64), (len(places),)).copy()
    columns: dict[str, Any] = {
        "open_time": pd.to_datetime(np.array(opens_us, dtype="int64"), unit="us", utc=True),
        **dict.fromkeys(VALUE_COLUMNS[:-1], prices),
        "trade_count": np.full(len(places), 7, dtype=np.int64),
        "flags": np.zeros(len(places), dtype=np.int64),
    }
    frame = pd.DataFrame(columns)[list(CANDLE_COLUMNS)]
    return frame.astype({"open_time": "datetime64[us, UTC]"})


def walk(count: int, *, seed: int = 1, start: datetime = START) -> pd.DataFrame:
    """Return ``count`` 1m candles of a random walk that are no two alike."""
    draw = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(draw.normal(0, 1e-3, count)))
    opened = np.concatenate([[100.0], close[:-1]])
    columns: dict[str, Any] = {
        "open_time": pd.date_range(start, periods=count, freq="1min", unit="us"),
        "open": opened,
        "high": np.maximum(opened, close) * 1.001,
        "low": np.minimum(opened, close) * 0.999,
        "close": close,
        **{name: draw.uniform(0, 100, count) for name in VALUE_COLUMNS[4:8]},
        "trade_count": draw.integers(0, 1000, count),
        "flags": np.zeros(count, dtype=np.int64),
    }
    return pd.DataFrame(columns)


def without(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Return ``frame`` as a source that never states ``columns`` gives it."""
    return frame.assign(
        **{name: ABSENT_COUNT if name == "trade_count" else np.nan for name in columns}
    )


def sha(text: object) -> str:
    """Return a hash that stands for some content."""
    return hashlib.sha256(str(text).encode()).hexdigest()


def checked_landing(
    connection: Connection,
    span: Span,
    *,
    path: str,
    content: object = "",
    symbol: str = "BTCUSDT",
    rows: int = 0,
) -> Landing:
    """Register a landing, let it pass the check, commit, and return it as it stands."""
    landing = register_landing(
        connection,
        venue=VENUE.name,
        symbol=symbol,
        timeframe="1m",
        span=span,
        path=path,
        rows=rows,
        payload_sha256=sha((path, content)),
        source="rest",
        run_id="fetch",
    )
    if landing.state == "landed":
        mark_checked(
            connection,
            landing.landing_id,
            clean_path=path + ".clean",
            rows=rows,
            verdict={"suite": "candles", "success": True},
            held=False,
            quarantined=NOTHING_REFUSED,
        )
    connection.commit()
    landing = get_landing(connection, landing.landing_id)
    connection.commit()
    return landing


def load_landing(
    connection: Connection, landing: Landing, frame: pd.DataFrame, *, gaps: Sequence[Gap] = ()
) -> LoadReceipt:
    """Load ``frame`` as a try of its own."""
    token = take_fence(connection, load_scope(landing))
    return load_candles(
        connection,
        landing,
        frame,
        source="rest",
        run_id="load",
        fencing_token=token,
        gaps=gaps,
    )


def load_frame(
    connection: Connection,
    frame: pd.DataFrame,
    span: Span,
    *,
    path: str = "file:///landing/a.parquet",
    content: object = "",
    symbol: str = "BTCUSDT",
    gaps: Sequence[Gap] = (),
) -> LoadReceipt:
    """Land, check and load ``frame`` as what the venue says of ``span``."""
    landing = checked_landing(connection, span, path=path, content=content, symbol=symbol)
    return load_landing(connection, landing, frame, gaps=gaps)


def query(connection: Connection, text: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Run a query and end the transaction, so that the next one sees what others committed."""
    rows = connection.execute(text, parameters).fetchall()
    connection.commit()
    return rows


def moment(minute: int) -> datetime:
    """Return the instant ``minute`` minutes after START."""
    return from_ms(START_MS + minute * MINUTE_MS)
