"""Landings of any source, ready to load, and processes that load them."""

from __future__ import annotations

import time

from include.market.span import Span
from include.warehouse.engine import Connection
from include.warehouse.landing import Landing, get_landing, mark_checked, register_landing
from tests.support.warehouse import NOTHING_REFUSED, VENUE, query, sha


def land(
    connection: Connection,
    span: Span,
    *,
    path: str,
    symbol: str = "BTCUSDT",
    source: str = "rest",
    rows: int = 0,
    clean_path: str | None = None,
) -> Landing:
    """Register a file as landed and checked, commit, and return its row."""
    landing = register_landing(
        connection,
        venue=VENUE.name,
        symbol=symbol,
        timeframe="1m",
        span=span,
        path=path,
        rows=rows,
        payload_sha256=sha(path),
        source=source,
        run_id="fetch",
    )
    mark_checked(
        connection,
        landing.landing_id,
        clean_path=clean_path or path + ".clean",
        rows=rows,
        verdict={"suite": "candles", "success": True},
        held=False,
        quarantined=NOTHING_REFUSED,
    )
    landing = get_landing(connection, landing.landing_id)
    connection.commit()
    return landing


def wait_until_gone(connection: Connection, application: str, *, within_s: float = 300) -> None:
    """Return once the server serves no session called ``application`` in this database.

    Only then is it decided what became of the work of a connection that broke.
    """
    text = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = %s"
    )
    deadline = time.monotonic() + within_s
    while query(connection, text, application) != [(0,)]:
        assert time.monotonic() < deadline, f"the server still serves {application}"
        time.sleep(0.002)
