import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
from hypothesis import given, settings

from include.market.candle import ABSENT_COUNT, CANDLE_COLUMNS, VALUE_COLUMNS
from include.market.timeframe import M1
from include.quality.live import judge_live_candles
from include.quality.rules import BENIGN_RULES
from tests.include.quality.landed_frames import (
    START_MS,
    declared_batches,
    landed,
    minutes,
    server_times,
    sound_frame,
)
from tests.include.quality.naive_judge import name_refusals


@settings(max_examples=100, deadline=None)
@given(declared_batches(), server_times)
def test_the_verdict_is_the_one_reached_row_by_row(
    batch: tuple[list[dict[str, Any]], tuple[str, ...]], server_ms: int
) -> None:
    (rows, absent), span = batch, minutes(11)
    verdict = judge_live_candles(
        landed(rows), timeframe=M1, span=span, server_time_ms=server_ms, absent=absent
    )
    names = name_refusals(rows, span, server_ms, absent)

    assert verdict.refused["rule"].tolist() == [name for name in names if name]
    assert verdict.refused["raw"].tolist() == [
        plain["raw"] for plain, name in zip(rows, names, strict=True) if name
    ]
    expected = sorted(
        (plain for plain, name in zip(rows, names, strict=True) if not name),
        key=lambda plain: plain["open_time"],
    )
    opens = verdict.accepted["open_time"].astype("int64") // 1000
    assert opens.tolist() == [plain["open_time"] for plain in expected]
    for name in VALUE_COLUMNS:
        absence = ABSENT_COUNT if name == "trade_count" else None
        stored = verdict.accepted[name].astype(object).where(verdict.accepted[name].notna(), None)
        assert stored.tolist() == [absence if name in absent else plain[name] for plain in expected]

    faulty = [name for name in names if name and name not in BENIGN_RULES]
    due = len(rows) - sum(name in BENIGN_RULES for name in names)
    assert verdict.refused_share == (len(faulty) / due if faulty else 0.0)
    assert verdict.success is (not faulty)
    json.dumps(verdict.results, allow_nan=False)


def test_accepted_rows_have_the_types_of_a_candle_frame() -> None:
    verdict = judge_live_candles(
        sound_frame(3), timeframe=M1, span=minutes(3), server_time_ms=START_MS + 10**7
    )
    assert list(verdict.accepted.columns) == list(CANDLE_COLUMNS)
    assert str(verdict.accepted["trade_count"].dtype) == "int64"
    assert str(verdict.accepted["open_time"].dtype) == "datetime64[us, UTC]"
    assert verdict.accepted.index.equals(pd.RangeIndex(3))


def test_the_live_path_never_loads_great_expectations() -> None:
    program = (
        "import sys, include.quality.live, include.quality.gaps\n"
        "sys.exit('great_expectations' in sys.modules)"
    )
    root = Path(__file__).resolve().parents[3]
    assert subprocess.run([sys.executable, "-c", program], cwd=root, check=False).returncode == 0
