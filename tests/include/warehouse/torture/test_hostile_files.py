"""Values no candle can have go from the landed file through gate and loader: each ends in
quarantine under its rule, and all the others are stored.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from include.jobs.check_candles import check_landings
from include.jobs.load_warehouse import load_landings
from include.jobs.storage import write_frame
from include.market.settings import Settings
from include.notify.outbox import OutboxSender
from include.warehouse.engine import Connection
from include.warehouse.landing import get_landing, register_landing
from tests.support.loader_invariants import check_ledger
from tests.support.loader_world import land
from tests.support.warehouse import (
    START_MS,
    VENUE,
    candles,
    load_landing,
    minutes,
    query,
    seed_reference,
    sha,
)

ROWS = 200
HOUR_LATER_MS = START_MS + (ROWS + 60) * 60_000
NAN, INF = float("nan"), float("inf")
# What a venue may send, and the rule it breaks: at the gate, and at the table should the gate nod.
HOSTILE: dict[str, tuple[dict[str, Any], str]] = {
    "NaN": ({"open": NAN}, "candle_high_is_highest"),
    "infinity": ({"high": INF}, "candle_price_range"),
    "minus infinity": ({"low": -INF}, "candle_price_range"),
    "beyond any price": ({"close": 1e30, "high": 1e30}, "candle_price_range"),
    "too small for a double": ({"low": float("1e-400")}, "candle_price_range"),
    "negative volume": ({"volume": -1.0}, "candle_volume_range"),
    "infinite volume": ({"quote_volume": INF}, "candle_volume_range"),
    "high below low": ({"high": 0.5}, "candle_high_is_highest"),
    "low above open": ({"low": 101.0, "high": 102.0}, "candle_low_is_lowest"),
    "beyond any count": ({"trade_count": 10**13}, "candle_trade_count"),
}


def spoilt(changes: dict[str, Any]) -> pd.DataFrame:
    frame = candles(range(ROWS), price=100.0)
    for name, value in changes.items():
        frame.loc[7, name] = value
    return frame


@pytest.mark.parametrize(("changes", "rule"), HOSTILE.values(), ids=HOSTILE.keys())
def test_the_table_refuses_the_row_and_takes_the_others(
    connection: Connection, changes: dict[str, Any], rule: str
) -> None:
    seed_reference(connection)
    landing = land(connection, minutes(0, ROWS), path="a", rows=ROWS)
    receipt = load_landing(connection, landing, spoilt(changes))
    assert (receipt.inserted, receipt.quarantined) == (ROWS - 1, 1)
    kept = query(connection, "SELECT rule, open_time FROM ledger.quarantine")
    assert kept == [(rule, minutes(7, 8).start_time)]
    check_ledger(connection)


def test_the_gate_refuses_the_rows_and_the_loader_stores_the_others(
    connection: Connection, tmp_path: Path
) -> None:
    seed_reference(connection)
    frame = candles(range(ROWS), price=1.0)
    for row, (changes, _) in enumerate(HOSTILE.values()):
        for name, value in changes.items():
            frame.loc[10 + row, name] = value
    frame["close_time"] = frame["open_time"] + pd.Timedelta(milliseconds=59_999)
    frame["raw"] = [f'["{row}", "\\u0000", {"9" * 5000 if row == 3 else 1}]' for row in range(ROWS)]
    path = tmp_path / "a.parquet"
    write_frame(path, frame, server_time_ms=HOUR_LATER_MS)
    landing = register_landing(
        connection,
        venue=VENUE.name,
        symbol="BTCUSDT",
        timeframe="1m",
        span=minutes(0, ROWS),
        path=str(path),
        rows=ROWS,
        payload_sha256=sha("a"),
        source="rest",
        run_id="fetch",
    )
    connection.commit()
    connection.autocommit = True
    outbox = OutboxSender(tmp_path / "outbox")
    checked = check_landings(
        connection, Path, Settings(block_share=0.5), outbox, [landing.landing_id]
    )
    assert (checked["accepted"], checked["refused"]) == (ROWS - len(HOSTILE), len(HOSTILE))
    loaded = load_landings(connection, Path, [landing.landing_id], run_id="load")
    assert loaded["inserted"] == ROWS - len(HOSTILE)
    assert get_landing(connection, landing.landing_id).state == "loaded"
    refused = query(connection, "SELECT open_time FROM ledger.quarantine ORDER BY 1")
    assert refused == [(minutes(at, at + 1).start_time,) for at in range(10, 10 + len(HOSTILE))]
    connection.autocommit = False
    check_ledger(connection)


def test_rows_of_other_times_and_names_are_refused_one_by_one(connection: Connection) -> None:
    seed_reference(connection)
    frame = candles([*range(ROWS), ROWS + 5, 3], price=[1.0] * (ROWS + 1) + [2.0])
    frame.loc[9, "open_time"] += pd.Timedelta(seconds=1)
    landing = land(connection, minutes(0, ROWS), path="a", rows=len(frame))
    receipt = load_landing(connection, landing, frame)
    assert (receipt.inserted, receipt.quarantined) == (ROWS - 1, 3)
    rules = query(connection, "SELECT rule FROM ledger.quarantine ORDER BY 1")
    assert rules == [("candle_on_grid",), ("duplicate_key",), ("outside_span",)]
    nobody = land(connection, minutes(0, 3), path="b", symbol="'; DROP TABLE market.venue; --")
    assert load_landing(connection, nobody, candles(range(3))).quarantined == 3
    check_ledger(connection)
