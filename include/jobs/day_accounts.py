"""Accounts of one instrument's candles on one day, by every way the venue tells them."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from include.exchanges.base import CandleSource, TradeSource
from include.exchanges.binance_archive.client import BinanceArchive
from include.exchanges.binance_archive.layout import plan_files
from include.exchanges.rows import CandleRows, join_candles, join_trades
from include.market.candle import ABSENT_COUNT, FLOAT_COLUMNS, FOREIGN
from include.market.errors import FinalError
from include.market.settings import Settings
from include.market.span import Span
from include.market.timeframe import DAY_MS, M1, Timeframe
from include.quality.trade_candles import TradeTape, build_candles
from include.warehouse.candles import read_candles
from include.warehouse.engine import Connection
from include.warehouse.reconciliations import replaced_candles

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DayTask:
    """One instrument's day, and where to ask; ``server_time_ms`` is the venue's clock."""

    conn: Connection
    source: CandleSource
    archive: BinanceArchive | None
    settings: Settings
    symbol: str
    instrument_id: int
    day: Span
    server_time_ms: int


def stored(task: DayTask, timeframe: Timeframe) -> pd.DataFrame:
    """Return what the warehouse holds of the day."""
    return read_candles(task.conn, timeframe, task.instrument_id, task.day)


def without_lent(ours: pd.DataFrame, told: pd.DataFrame) -> pd.DataFrame:
    """Return stored candles but for those another venue stated of what the own one has lost.

    Of these it has said nothing, so that it contradicts nothing. What ``told`` holds by now stays.
    """
    return ours[~_is_lent(ours) | ours["open_time"].isin(told["open_time"]).to_numpy()]


def own_buckets(ours: pd.DataFrame, told: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return coarse candles of two accounts without those that rest on minutes ours was lent."""
    lent = _is_lent(ours)
    return ours[~lent], told[~told["open_time"].isin(ours["open_time"][lent]).to_numpy()]


def from_rest(task: DayTask, timeframe: Timeframe) -> pd.DataFrame:
    """Return what the venue's REST interface tells of the day.

    Raises:
        SourceUnavailableError: it does not answer.
        FinalError: it keeps no candles of that length or age.
    """
    pages = task.source.candles(
        task.symbol, timeframe, task.day, page_limit=task.settings.page_limit
    )
    return as_frame(join_candles([page.rows for page in pages]))


def from_archive(task: DayTask) -> pd.DataFrame | None:
    """Return what the archive's file of the day tells, None where it is not published."""
    if task.archive is None:
        return None
    files = plan_files(task.archive.market, task.symbol, M1, task.day, now_ms=task.server_time_ms)
    found = [task.archive.read_candles(file) for file in files]
    rows = [each.rows for each in found if each is not None]
    return as_frame(join_candles(rows)) if rows else None


def from_stream(task: DayTask, ways: Mapping[int, str]) -> pd.DataFrame:
    """Return what the stream told of the day, replaced since or not.

    ``ways`` tells by open time (epoch ms) which way each stored candle came.
    """
    current = stored(task, M1)
    opens = pd.DatetimeIndex(current["open_time"]).as_unit("ms").asi8
    current = current[np.array([ways.get(each) == "stream" for each in opens.tolist()], bool)]
    replaced = replaced_candles(task.conn, M1, task.instrument_id, task.day, "stream")
    replaced = replaced[~replaced["open_time"].isin(current["open_time"])]
    return pd.concat([current, replaced], ignore_index=True) if len(replaced) else current


def from_trades(task: DayTask) -> tuple[Span, pd.DataFrame] | None:
    """Return some minutes of the day built from single trades, None where these cannot be had."""
    if not isinstance(task.source, TradeSource):
        return None
    span = sample_minutes(task.symbol, task.day, task.settings.reconcile_trade_minutes)
    try:
        pages = task.source.agg_trades(task.symbol, span, page_limit=task.settings.page_limit)
        trades = join_trades([page.rows for page in pages])
    except FinalError as error:
        log.info("%s %s: no trades: %s", task.source.venue.name, task.symbol, error)
        return None
    tape = TradeTape(
        trades.agg_id,
        trades.time_ms,
        trades.price,
        trades.quantity,
        trades.first_trade_id,
        trades.last_trade_id,
        trades.buyer_maker,
    )
    return span, build_candles(tape, M1)


def sample_minutes(symbol: str, day: Span, minutes: int) -> Span:
    """Return whole minutes of ``day``: others for every symbol and day, the same when repeated."""
    count = min(minutes, DAY_MS // M1.length_ms)
    places = 1 + DAY_MS // M1.length_ms - count
    digest = hashlib.sha256(f"{symbol} {day.start_ms}".encode()).digest()
    start_ms = day.start_ms + int.from_bytes(digest[:8], "big") % places * M1.length_ms
    return Span(start_ms, start_ms + count * M1.length_ms)


def _is_lent(ours: pd.DataFrame) -> NDArray[np.bool_]:
    lent: NDArray[np.bool_] = (ours["flags"].to_numpy(dtype=np.int64) & FOREIGN) > 0
    return lent


def as_frame(rows: CandleRows) -> pd.DataFrame:
    """Return a venue's rows as a sorted candle frame; what is not stated is absent there."""
    order = np.argsort(rows.open_ms, kind="stable")
    times = pd.to_datetime(rows.open_ms[order], unit="ms", utc=True).as_unit("us")
    values = {name: rows.column(name)[order] for name in FLOAT_COLUMNS}
    counts = np.nan_to_num(rows.column("trade_count")[order], nan=ABSENT_COUNT).astype(np.int64)
    return pd.DataFrame({"open_time": times, **values, "trade_count": counts, "flags": 0})
