"""The cascade in the warehouse: a whole year, one late minute, a live minute of 500 instruments.

Everything but ``fill`` and ``date_bin`` is the jobs' own code, as the jobs' login. ``fill`` puts 1m
candles and what the ledger says of them straight into the tables, as a superuser, because how
they get there is measured elsewhere (``make bench NAME=load``).
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import psycopg
from cascade_data import MINUTES, draw_year
from load_data import MINUTE_MS, month_bounds, symbol_of
from load_ours import SEEN, VENUE, instrument

from include.cascade.fold import BULK_CHILDREN
from include.cascade.rollup import roll_up_series
from include.cascade.series import SeriesCandles
from include.jobs import cascade as job
from include.jobs.cascade import cascade_all, cascade_changes
from include.market.candle import VALUE_COLUMNS
from include.market.span import Span, from_ms
from include.market.timeframe import CASCADE, M1
from include.warehouse.engine import Connection, connect
from include.warehouse.partitions import ensure_partitions
from include.warehouse.pgbinary import encode_rows, encode_times
from include.warehouse.reference import instrument_ids, sync_instruments
from include.warehouse.rows import Delivery, load_rows
from include.warehouse.settlement import Proof, extend_coverage

YEAR_MS = month_bounds(1)[0]
YEAR = Span(YEAR_MS, YEAR_MS + MINUTES * MINUTE_MS)
STORED = ("instrument_id", "open_time", *VALUE_COLUMNS, "source", "load_id", "recorded_at")
LATE_TRIES = 60
LEVELS = (("five", "5 minutes"), ("thirty", "30 minutes"), ("four", "4 hours"))
RECEIPT = """
INSERT INTO ledger.load (dataset, source, run_id, span_start, span_end, rows_in, rows_inserted,
    rows_updated, rows_unchanged, rows_quarantined, observed_at)
VALUES ('candle_1m', 'archive', 'benchmark', %s, %s, %s, %s, 0, 0, 0, now()) RETURNING load_id
"""
CHANGES = """
INSERT INTO ledger.change (dataset, instrument_id, span_start, span_end, reason, load_id)
SELECT 'candle_1m', %(owner)s, month, least(date_add(month, interval '1 month', 'UTC'), %(end)s),
    'new', %(load)s
FROM generate_series(%(start)s, %(end)s - interval '1 minute', interval '1 month', 'UTC') AS month
"""
BUCKETS = """
CREATE TEMPORARY TABLE {target} AS
SELECT instrument_id, date_bin('{length}', open_time, '1970-01-01 00:00:00+00') AS open_time,
    (array_agg(open ORDER BY open_time))[1] AS open, max(high) AS high, min(low) AS low,
    (array_agg(close ORDER BY open_time DESC))[1] AS close, sum(volume) AS volume,
    sum(quote_volume) AS quote_volume, sum(taker_buy_volume) AS taker_buy_volume,
    sum(taker_buy_quote_volume) AS taker_buy_quote_volume, sum(trade_count) AS trade_count
FROM {source} GROUP BY 1, 2 ORDER BY 1, 2
"""


def know(conn: Connection, instruments: int) -> list[int]:
    """Make instruments known; return their ids."""
    symbols = [symbol_of(number) for number in range(1, instruments + 1)]
    known = instrument_ids(conn, VENUE.name)
    fresh = [instrument(symbol) for symbol in symbols if symbol not in known]
    with conn.transaction():
        sync_instruments(conn, VENUE, fresh, observed_at=SEEN)
    known = instrument_ids(conn, VENUE.name)
    return [known[symbol] for symbol in symbols]


def fill(conn: Connection, instruments: int, minutes: int = MINUTES) -> dict[str, Any]:
    """Store the year's first ``minutes`` of so many instruments, those already there left out."""
    began = time.perf_counter()
    owners = know(conn, instruments)
    stored = {row[0] for row in conn.execute("SELECT instrument_id FROM ledger.coverage "
                                             "WHERE dataset = 'candle_1m'")}  # fmt: skip
    with conn.transaction():
        ensure_partitions(conn, [M1, *(target for _, target in CASCADE)], YEAR)
    # The checks of foreign keys would take most of the time, and are none of what is measured.
    conn.execute("SET session_replication_role = replica")
    for number, owner in enumerate(owners, start=1):
        if owner not in stored:
            with conn.transaction():
                _fill_one(conn, owner, *draw_year((number - 1) % 20 + 1, minutes))
    conn.execute("RESET session_replication_role")
    conn.execute("VACUUM (ANALYZE) market.candle_1m, ledger.change, ledger.coverage, ledger.load")
    return {"rows": minutes * len(owners), "wall_s": time.perf_counter() - began}


def _fill_one(conn: Connection, owner: int, open_ms: np.ndarray, values: np.ndarray) -> None:
    count = len(open_ms)
    span = Span(int(open_ms[0]), int(open_ms[-1]) + MINUTE_MS)
    row = conn.execute(RECEIPT, (span.start_time, span.end_time, count, count)).fetchone()
    load_id = int(row[0]) if row else 0
    columns = [
        np.array(owner, dtype=np.int32),
        encode_times((open_ms * 1000).view("datetime64[us]")),
        *values[:-1],
        values[-1].astype(np.int64),
        np.array(b"archive"),
        np.array(load_id),
        np.array(encode_times(np.array(["2026-01-01"], dtype="datetime64[us]"))[0]),
    ]
    copy = f"COPY market.candle_1m ({', '.join(STORED)}) FROM STDIN (FORMAT BINARY)"
    with conn.cursor() as cursor, cursor.copy(copy) as target:
        target.write(encode_rows(columns, count))
    known = {"owner": owner, "start": span.start_time, "end": span.end_time, "load": load_id}
    conn.execute(CHANGES, known)
    conn.execute(
        "INSERT INTO ledger.coverage (dataset, instrument_id, covered) VALUES ('candle_1m', "
        "%(owner)s, tstzmultirange(tstzrange(%(start)s, %(end)s)))",
        known,
    )


def bulk(conn: Connection) -> dict[str, Any]:
    """Roll up all that is new, level by level; tell reading, computing and writing apart."""
    spent = dict.fromkeys(("read", "compute", "write"), 0.0)

    def timed(kind: str, whole: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            began = time.perf_counter()
            try:
                return whole(*arguments, **options)
            finally:
                spent[kind] += time.perf_counter() - began

        return run

    _warm_up()
    row = conn.execute("SELECT sum(upper(p) - lower(p)) FROM ledger.coverage, unnest(covered) "
                       "AS p WHERE dataset = 'candle_1m'").fetchone()  # fmt: skip
    minutes = int(row[0].total_seconds() // 60) if row else 0
    began, cpu = time.perf_counter(), time.process_time()
    with ExitStack() as stack:
        for name, kind in (
            ("_read_children", "read"), ("roll_up_series", "compute"), ("store_coarse", "write"),
        ):  # fmt: skip
            stack.enter_context(patch.object(job, name, timed(kind, getattr(job, name))))
        written = {
            target.label: cascade_changes(conn, source, target, run_id="benchmark")
            for source, target in CASCADE
        }
    wall = time.perf_counter() - began
    return {
        "rows": minutes, "wall_s": wall, "cpu_s": time.process_time() - cpu,
        **{f"{kind}_s": seconds for kind, seconds in spent.items()},
        "write_share": spent["write"] / wall,
        "stored": sum(counts["inserted"] for counts in written.values()),
    }  # fmt: skip


def _warm_up() -> None:
    """Load what is compiled, as every other contender has what it needs before its clock starts."""
    open_ms, values = draw_year(1, 2 * BULK_CHILDREN)
    cells = dict(zip(VALUE_COLUMNS, values, strict=True))
    cells |= {"trade_count": values[-1].astype(np.int64), "flags": np.zeros_like(open_ms)}
    roll_up_series(SeriesCandles(np.ones_like(open_ms), open_ms * 1000, cells), *CASCADE[0])


def late(conn: Connection, minutes: int) -> dict[str, Any]:
    """Change one of the first ``minutes``, and bring every level up to it; many times."""
    owners = know(conn, 2)
    # A smaller warehouse was measured before: the same minutes again would change nothing.
    told = conn.execute("SELECT count(*) FROM market.candle_revision WHERE timeframe = '1m'")
    before = int((told.fetchone() or (0,))[0])
    draw = random.Random(7 + before)
    row = conn.execute("SELECT sum(reltuples) FROM pg_class WHERE relname LIKE 'candle_1m\\_2%' "
                       "AND relkind = 'r'").fetchone()  # fmt: skip
    took: dict[str, list[float]] = {"load": [], "cascade": []}
    for turn in range(LATE_TRIES + 5):
        at = YEAR.start_ms + draw.randrange(minutes) * MINUTE_MS
        span = Span(at, at + MINUTE_MS)
        frame = minute_frame([symbol_of(draw.choice((1, 2)))], at, 1000 + before + turn)
        began = time.perf_counter()
        load_rows(conn, "market.candle_1m", frame, delivery(span))
        loaded = time.perf_counter()
        written = cascade_all(conn, run_id="benchmark")
        done = time.perf_counter()
        if sum(each["updated"] for each in written.values()) != len(CASCADE):
            raise SystemExit(f"a late minute of {owners} at {from_ms(at)} changed {written}")
        if turn >= 5:
            took["load"].append(loaded - began)
            took["cascade"].append(done - loaded)
    return {
        "rows": int(row[0]) if row else 0,
        **{f"{kind}_ms_p50": 1000 * statistics.median(each) for kind, each in took.items()},
        **{f"{kind}_ms_p90": 1000 * statistics.quantiles(each, n=10)[8]
           for kind, each in took.items()},
    }  # fmt: skip


def live(conn: Connection, instruments: int, minutes: int) -> dict[str, Any]:
    """Let minutes of so many instruments close one after another, each committed to all levels."""
    owners = know(conn, instruments)
    symbols = [symbol_of(number) for number in range(1, instruments + 1)]
    with conn.transaction():
        ensure_partitions(conn, [M1, *(target for _, target in CASCADE)],
                          Span(YEAR.start_ms, YEAR.start_ms + minutes * MINUTE_MS))  # fmt: skip
    took: list[tuple[float, float]] = []
    for place in range(minutes):
        at = YEAR.start_ms + place * MINUTE_MS
        span, frame = Span(at, at + MINUTE_MS), minute_frame(symbols, at, place)
        began = time.perf_counter()
        receipt = load_rows(conn, "market.candle_1m", frame, delivery(span))
        loaded = time.perf_counter()
        with conn.transaction():
            proofs = [Proof(owner, [span], receipt.load_id) for owner in owners]
            extend_coverage(conn, M1.dataset, proofs)
            cascade_all(conn, run_id="benchmark")
        took.append((loaded - began, time.perf_counter() - began))
    row = conn.execute("SELECT count(*) FROM market.candle_5m").fetchone()
    if row != (instruments * (minutes // 5),):
        raise SystemExit(f"expected {instruments * (minutes // 5)} candles 5m, stored {row}")
    whole = sorted(1000 * each for _, each in took)
    closing = sorted(1000 * each for place, (_, each) in enumerate(took, 1) if place % 5 == 0)
    return {
        "rows": instruments * minutes, "instruments": instruments, "minutes": minutes,
        "load_ms_p50": 1000 * statistics.median(each for each, _ in took),
        "ms_p50": statistics.median(whole), "ms_p99": quantile(whole, 0.99), "ms_max": whole[-1],
        "closing_ms_p50": statistics.median(closing), "closing_ms_p99": quantile(closing, 0.99),
    }  # fmt: skip


def quantile(ordered: list[float], share: float) -> float:
    """Return the smallest value that so large a share does not exceed."""
    return ordered[min(len(ordered) - 1, int(np.ceil(share * len(ordered))) - 1)]


def minute_frame(symbols: list[str], at_ms: int, seed: int) -> pd.DataFrame:
    """Return one closed minute of each symbol, no two alike."""
    draw, count = np.random.default_rng(seed), len(symbols)
    close = 1000 * np.exp(draw.normal(0, 1e-2, count)).round(4)
    volume = draw.exponential(30, count).round(5) + 1
    columns = dict.fromkeys(("quote_volume", "taker_buy_quote_volume"), volume * close)
    return pd.DataFrame(
        {
            "symbol": symbols,
            "open_time": pd.to_datetime([at_ms] * count, unit="ms", utc=True).as_unit("us"),
            "open": close, "high": close + 1, "low": close - 1, "close": close, "volume": volume,
            **columns, "taker_buy_volume": volume / 2,
            "trade_count": draw.integers(1, 500, count),
        }
    )  # fmt: skip


def delivery(span: Span) -> Delivery:
    """Return what is known of a minute just read."""
    now = datetime.now(UTC)
    return Delivery(
        source="archive", run_id="benchmark", observed_at=now, venue=VENUE.name, span=span
    )


def date_bin(conn: Connection) -> dict[str, Any]:
    """Roll everything up in SQL, level by level, into temporary tables."""
    row = conn.execute("SELECT count(*) FROM market.candle_1m").fetchone()
    began, source = time.perf_counter(), "market.candle_1m"
    conn.execute("SET statement_timeout = 0")
    with conn.transaction():
        conn.execute("SET LOCAL transaction_timeout = 0")
        for target, length in (
            ("five", "5 minutes"),
            ("thirty", "30 minutes"),
            ("four", "4 hours"),
        ):
            conn.execute(BUCKETS.format(source=source, target=target, length=length))
            source = f"pg_temp.{target}"
        wall = time.perf_counter() - began
        sums = conn.execute("SELECT count(*), sum(high), sum(volume), sum(close) FROM four")
        found = sums.fetchone() or (0, 0, 0, 0)
        conn.execute("DROP TABLE five, thirty, four")
    named = zip(("last_rows", "high_sum", "volume_sum", "close_sum"), found, strict=True)
    return {"rows": row[0] if row else 0, "wall_s": wall, **dict(named)}


def main() -> None:
    """Run one way; print what was found."""
    way, dsn, *numbers = sys.argv[1:]
    with connect(dsn, application="benchmark", autocommit=True) as conn:
        if way == "fill":
            conn.execute("SET statement_timeout = 0")
            conn.execute("SET transaction_timeout = 0")
        try:
            found = globals()[way](conn, *map(int, numbers))
        except psycopg.Error as error:
            raise SystemExit(f"{way}: {error}") from error
    print(json.dumps(found))


if __name__ == "__main__":
    main()
