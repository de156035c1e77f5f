"""Landings of a whole month, ready to be loaded together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from include.market.span import Span
from include.warehouse.bulk_month import load_month
from include.warehouse.bulk_rows import Member
from include.warehouse.engine import Connection
from include.warehouse.fence import take_fence
from include.warehouse.gaps import Gap
from include.warehouse.landing import Landing
from include.warehouse.loader import load_scope
from include.warehouse.merge import LoadReceipt
from tests.support.warehouse import checked_landing, minutes, walk

WEEK = 7 * 1440


def member(
    connection: Connection,
    landing: Landing,
    frame: pd.DataFrame,
    *,
    gaps: Sequence[Gap] = (),
    before: Callable[[], None] = lambda: None,
) -> Member:
    """Return a landing with a fresh token; ``before`` is called when its rows are read."""
    token = take_fence(connection, load_scope(landing))

    def read() -> tuple[pd.DataFrame, Sequence[Gap]]:
        before()
        return frame, gaps

    return Member(landing, token, read)


def land(
    connection: Connection, span: Span, *, symbol: str = "BTCUSDT", rows: int = 1, path: str = ""
) -> Landing:
    """Return a checked landing of its own path."""
    return checked_landing(
        connection, span, path=path or f"{symbol}/{span}", symbol=symbol, rows=rows
    )


def week_member(
    connection: Connection,
    *,
    symbol: str = "BTCUSDT",
    week: int = 0,
    seed: int = 1,
    before: Callable[[], None] = lambda: None,
) -> Member:
    """Return a week of January without a hole."""
    span = minutes(week * WEEK, (week + 1) * WEEK)
    frame = walk(WEEK, seed=seed, start=span.start_time)
    return member(connection, land(connection, span, symbol=symbol), frame, before=before)


def load_together(connection: Connection, *members: Member) -> dict[int, LoadReceipt]:
    """Load members as a month."""
    return load_month(connection, members, run_id="load")
