"""Any chain runs the same river: each timeframe is what its minutes add up to, and stays so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
WIDE = "1m 5m 15m 1h 4h 1d 1w 1M"
DEFAULT = "1m 5m 30m 4h"


def work(owner: str, loader: str, *steps: str, timeframes: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.chain_worker", owner, loader, *steps],
        cwd=ROOT,
        env=os.environ | {"CANDLEWICK_TIMEFRAMES": timeframes},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *answers, findings = map(json.loads, done.stdout.splitlines())
    assert findings == []
    for answer in answers:
        assert {label for label, told in answer["stored"].items() if not told["as pandas"]} == set()
        assert not any(any(written.values()) for written in answer["again"].values())
    return answers


def counts(written: dict[str, dict[str, int]], kind: str) -> dict[str, int]:
    return {label: rows[kind] for label, rows in written.items()}


def test_a_chain_of_eight_timeframes_and_then_the_default_one(
    warehouse_dsn: str, loader_dsn: str
) -> None:
    # From Sunday 28 January 2024, 07:30, to Wednesday 6 March, 07:30.
    filled, revised = work(warehouse_dsn, loader_dsn, "fill", "revise", timeframes=WIDE)
    rows = {"5m": 10944, "15m": 3648, "1h": 911, "4h": 227, "1d": 37, "1w": 5, "1M": 1}
    assert counts(filled["written"], "inserted") == rows
    assert {label: told["rows"] for label, told in filled["stored"].items()} == rows
    built_from = {label: told["built from"] for label, told in filled["stored"].items()}
    assert built_from == {
        "5m": [5], "15m": [3], "1h": [4], "4h": [4], "1d": [6], "1w": [7], "1M": [29],
    }  # fmt: skip
    for told in ("changed", "covered"):
        spans = {label: filled["stored"][label][told] for label in ("1d", "1w", "1M")}
        assert spans == {
            "1d": '{["2024-01-29 00:00:00+00","2024-03-06 00:00:00+00")}',
            "1w": '{["2024-01-29 00:00:00+00","2024-03-04 00:00:00+00")}',
            "1M": '{["2024-02-01 00:00:00+00","2024-03-01 00:00:00+00")}',
        }
    # The last minute of the leap day lies in one bucket of each.
    assert counts(revised["written"], "updated") == dict.fromkeys(rows, 1)
    assert counts(revised["written"], "inserted") == dict.fromkeys(rows, 0)

    # 4h comes from 30m again: the same candles, of other children.
    [found] = work(warehouse_dsn, loader_dsn, "rest", timeframes=DEFAULT)
    assert counts(found["written"], "inserted") == {"5m": 0, "30m": 1824, "4h": 0}
    assert counts(found["written"], "updated") == {"5m": 0, "30m": 0, "4h": 227}
    assert found["stored"]["4h"]["built from"] == [8]
