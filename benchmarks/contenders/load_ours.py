"""Candlewick's own way from landed Parquet into the warehouse, and back out of it."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from include.jobs.landed_work import plan_shards
from include.jobs.load_warehouse import load_landings
from include.market.instrument import InstrumentRecord, VenueRecord
from include.market.span import Span, to_ms
from include.market.timeframe import M1
from include.warehouse.candles import read_candles
from include.warehouse.engine import Connection, connect
from include.warehouse.landing import mark_checked, register_landing
from include.warehouse.reference import instrument_ids, sync_instruments

VENUE = VenueRecord("binance_spot", "Binance Spot")
SEEN = datetime(2024, 12, 1, tzinfo=UTC)
READ_REPEATS = 7
NOTHING_REFUSED = pd.DataFrame({name: [] for name in ("open_time", "raw", "rule", "detail")})

Landings = list[dict[str, Any]]


def chosen(folder: Path, turn: str) -> Landings:
    """Return the landings of a turn; ``neighbour`` and ``rest`` are January's two parts."""
    listed: Landings = json.loads((folder / "landings.json").read_text())
    if turn not in ("neighbour", "rest"):
        return [landed for landed in listed if landed["turn"] == turn]
    january = [
        landed
        for landed in listed
        if landed["turn"] == "first" and landed["start_ms"] == listed[0]["start_ms"]
    ]
    return january[:1] if turn == "neighbour" else january[1:]


def prepare(conn: Connection, folder: Path, turn: str) -> None:
    """Make instruments known and put the landings of ``turn`` into the work list, as checked."""
    landings = chosen(folder, turn)
    symbols = sorted({landed["symbol"] for landed in landings})
    known = instrument_ids(conn, VENUE.name)
    records = [instrument(symbol) for symbol in symbols if symbol not in known]
    if records:
        with conn.transaction():
            sync_instruments(conn, VENUE, records, observed_at=SEEN)
    for landed in landings:
        with conn.transaction():
            check_in(conn, landed)


def instrument(symbol: str) -> InstrumentRecord:
    """Return what a spot venue would state of ``symbol``."""
    return InstrumentRecord(
        symbol=symbol, base_asset=symbol.removesuffix("USDT"), quote_asset="USDT", kind="spot",
        status="TRADING", tick_size="0.01", lot_size="0.00001",
    )  # fmt: skip


def check_in(conn: Connection, landed: dict[str, Any]) -> None:
    """Register one landing and let it pass the gate, whose own cost is none of the load."""
    row = register_landing(
        conn, venue=VENUE.name, symbol=landed["symbol"], timeframe=M1.label,
        span=Span(landed["start_ms"], landed["end_ms"]), path=landed["path"], rows=landed["rows"],
        payload_sha256=landed["sha256"], source="archive", run_id="benchmark",
    )  # fmt: skip
    mark_checked(
        conn, row.landing_id, clean_path=landed["clean_path"], rows=landed["rows"],
        verdict={"suite": "candles", "success": True}, held=False, quarantined=NOTHING_REFUSED,
    )  # fmt: skip


def load(conn: Connection) -> dict[str, Any]:
    """Load all that is checked by the job's code: one task, where Airflow would start four."""
    landing_ids = [landing for shard in plan_shards(conn, state="checked") for landing in shard]
    wall, cpu = time.perf_counter(), time.process_time()
    totals = load_landings(conn, Path, landing_ids, run_id="benchmark")
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"rows": sum(totals.values()), "wall_s": wall, "cpu_s": cpu, **totals}


def read(conn: Connection) -> dict[str, Any]:
    """Read a year of the first instrument into pandas; the quickest of several."""
    span = Span(to_ms(datetime(2025, 1, 1, tzinfo=UTC)), to_ms(datetime(2026, 1, 1, tzinfo=UTC)))
    owner = min(instrument_ids(conn, VENUE.name).values())
    best: dict[str, Any] = {}
    for _ in range(READ_REPEATS):
        wall, cpu = time.perf_counter(), time.process_time()
        rows = len(read_candles(conn, M1, owner, span))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        if not best or wall < best["wall_s"]:
            best = {"rows": rows, "wall_s": wall, "cpu_s": cpu, "repeats": READ_REPEATS}
    return best


def main() -> None:
    """Run one way; print rows, seconds, CPU seconds and the peak of memory."""
    way, dsn, folder, *turn = sys.argv[1:]
    ways: dict[str, Callable[[Connection], dict[str, Any] | None]] = {
        "prepare": lambda conn: prepare(conn, Path(folder), turn[0]),
        "load": load,
        "read": read,
    }
    with connect(dsn, application="benchmark", autocommit=True) as conn:
        found = ways[way](conn) or {}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**found, "rss_mb": peak}))


if __name__ == "__main__":
    main()
