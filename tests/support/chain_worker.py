"""A warehouse under the timeframes of the environment: ``-m tests.support.chain_worker``.

Which timeframes there are is settled when a process starts, so a test of another chain than the
default one runs this. Arguments: the owner's URL, the loader's URL, steps; the answer is one line
of JSON per step. ``fill`` loads a stretch that holds a leap February, ``revise`` changes one minute
of it, ``rest`` nothing; after each all stages run.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset

from include.jobs.cascade import cascade_changes
from include.market.candle import FLOAT_COLUMNS, PRICE_COLUMNS, VALUE_COLUMNS, VOLUME_COLUMNS
from include.market.span import Span, to_ms
from include.market.timeframe import CASCADE, M1
from include.warehouse.audit.run import run_audit
from include.warehouse.candles import read_candles
from include.warehouse.engine import Connection, connect
from include.warehouse.migrate import upgrade
from tests.support.warehouse import load_frame, seed_reference, walk

START = datetime(2024, 1, 28, 7, 30, tzinfo=UTC)
MINUTES = 38 * 1440
SPAN = Span(to_ms(START), to_ms(START) + MINUTES * M1.length_ms)
REVISED = Span(
    to_ms(datetime(2024, 2, 29, 23, 59, tzinfo=UTC)), to_ms(datetime(2024, 3, 1, tzinfo=UTC))
)
RULES = {"1d": "1D", "1w": "W-MON", "1M": "MS"}
HOW = {
    **dict(zip(PRICE_COLUMNS, ("first", "max", "min", "last"), strict=True)),
    **dict.fromkeys((*VOLUME_COLUMNS, "trade_count"), "sum"),
}


def history() -> pd.DataFrame:
    """Return the minutes of the stretch; whole volumes, so that any way of adding is exact."""
    frame = walk(MINUTES, start=START)
    return frame.assign(**{name: np.rint(frame[name] * 1000) for name in VOLUME_COLUMNS})


def reference(label: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the whole buckets of the stretch as pandas makes them, of single minutes."""
    rule = RULES.get(label, label.replace("m", "min"))
    grouped = frame.set_index("open_time").resample(rule, closed="left", label="left")
    rolled = grouped.agg(HOW).reset_index()
    ends = rolled["open_time"] + to_offset(rule)
    whole = (rolled["open_time"] >= START) & (ends <= SPAN.end_time)
    return rolled[whole].reset_index(drop=True)


def roll_up(conn: Connection) -> dict[str, dict[str, int]]:
    """Run every stage once, each after its source, as their DAGs do."""
    return {
        target.label: cascade_changes(conn, source, target, run_id="test")
        for source, target in CASCADE
    }


def look(conn: Connection) -> dict[str, Any]:
    """Return what is stored of each timeframe, whether pandas agrees, and what the audit finds."""
    minutes = read_candles(conn, M1, 1, SPAN)
    told: dict[str, Any] = {}
    for _, target in CASCADE:

        def spans_of(table: str, union: str, dataset: str = target.dataset) -> str:
            query = f"SELECT {union}::text FROM ledger.{table} WHERE dataset = %s"
            return str(conn.execute(query, (dataset,)).fetchall()[0][0])

        stored = read_candles(conn, target, 1, Span(0, SPAN.end_ms * 2))
        expected = reference(target.label, minutes)
        told[target.label] = {
            "rows": len(stored),
            "as pandas": stored["open_time"].tolist() == expected["open_time"].tolist()
            and all((stored[name] == expected[name]).all() for name in VALUE_COLUMNS),
            "built from": conn.execute(
                f"SELECT array_agg(DISTINCT children_expected ORDER BY children_expected) "
                f"FROM market.{target.dataset} WHERE children_present = children_expected"
            ).fetchall()[0][0],
            "changed": spans_of("change", "range_agg(tstzrange(span_start, span_end))"),
            "covered": spans_of("coverage", "range_agg(covered)"),
        }
    return told


def take(conn: Connection, step: str) -> None:
    """Let candles arrive."""
    if step == "fill":
        seed_reference(conn)
        load_frame(conn, history(), SPAN)
    elif step == "revise":
        minute = read_candles(conn, M1, 1, REVISED)
        minute[list(FLOAT_COLUMNS)] *= 2
        load_frame(conn, minute, REVISED, path="file:///landing/b.parquet")


def main(owner: str, loader: str, *steps: str) -> None:
    """Do the steps, print what came of each, and what an audit finds in the end."""
    upgrade(owner)
    for step in steps:
        with connect(loader, application="test") as conn:
            take(conn, step)
        with connect(loader, application="test", autocommit=True) as conn:
            answer = {"written": roll_up(conn), "again": roll_up(conn), "stored": look(conn)}
        sys.stdout.write(json.dumps(answer) + "\n")
    with connect(loader, application="test", autocommit=True) as conn:
        found = run_audit(conn, at=datetime.now(UTC)).findings
    sys.stdout.write(json.dumps([finding.as_text() for finding in found]) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
