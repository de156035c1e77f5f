from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from stack.console import Screen
from stack.keys import Keys
from stack.layout import Layout, StackRecord
from stack.river_progress import StageView
from stack.summary import duration, place_rows, status_table, summary_rows
from stack.supervision import PartState

TOTALS = {
    "instruments": 2,
    "quarantined": 1234,
    "held": 1,
    "segments": 5,
    "published": 2,
    "declined": 3,
    "gaps": {"no_trade": 4, "outage": 1},
    "publications": {"sent": 3, "pending": 1},
    "covered": 0.9951,
    "candles": {"1m": 43_200, "5m": 8640, "30m": 1440, "4h": 180},
}


def test_the_summary_names_every_number() -> None:
    assert dict(summary_rows(TOTALS)) == {
        "instruments": "2",
        "candles 1m": "43,200",
        "candles 5m": "8,640",
        "candles 30m": "1,440",
        "candles 4h": "180",
        "history loaded": "99.5%",
        "open gaps": "4 no_trade, 1 outage",
        "quarantined rows": "1,234 (1 batches held)",
        "channels 4h": "5 segments, 2 published, 3 declined",
        "messages": "1 pending, 3 sent",
    }
    empty = dict(summary_rows(TOTALS | {"gaps": {}, "publications": {}}))
    assert (empty["open gaps"], empty["messages"]) == ("none", "none")


def test_the_places_name_the_page_of_data_quality(tmp_path: Path) -> None:
    record = StackRecord(source="simulator", port=9000, days=1, instruments="", seed=1)
    places = dict(place_rows(Layout(tmp_path), record, Keys()))
    assert places["data quality"] == "http://127.0.0.1:9000/plugin/data-quality"
    assert places["charts, messages"] == str(tmp_path / "outbox")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, ""), (-3, ""), (59, "59s"), (60, "1m00s"), (3599, "59m59s"), (7620, "2h07m")],
)
def test_durations(seconds: int, text: str) -> None:
    assert duration(seconds) == text


def plain() -> tuple[Screen, io.StringIO]:
    text = io.StringIO()
    return Screen(Console(file=text, highlight=False, soft_wrap=True, width=200)), text


def test_a_part_that_is_down_shows_no_pid() -> None:
    record = StackRecord(source="binance", port=9000, days=1, instruments="", seed=1)
    states = {
        "postgres": PartState("postgres", "RUNNING", 17, 65),
        "scheduler": PartState("scheduler", "BACKOFF", 0, 0),
    }
    screen, text = plain()
    screen.console.print(status_table(record, states))
    lines = [line.split() for line in text.getvalue().splitlines()[1:]]
    assert lines == [["postgres", "running", "17", "1m05s", "9001"], ["scheduler", "backoff"]]


def test_without_a_terminal_each_stage_is_one_line() -> None:
    screen, text = plain()
    with screen.step("Doing"):
        pass
    with screen.stages() as board:
        for fetched in (0.2, 0.4, 1.0, 1.0):
            done = fetched == 1.0
            board.show({"fetch": StageView(fetched, "7 rows", done)})
    lines = text.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("✓ Doing")
    assert lines[1].split()[:2] == ["fetch", "through"]
    assert lines[1].endswith("7 rows")
    assert "\x1b" not in text.getvalue()


def test_a_terminal_gets_bars() -> None:
    text = io.StringIO()
    screen = Screen(Console(file=text, force_terminal=True, width=100))
    with screen.stages() as board:
        board.show({"fetch": StageView(0.5, "7 rows", False)})
        board.show({"fetch": StageView(1.0, "9 rows", True)})
    assert "9 rows" in text.getvalue()
    assert "100 %" in text.getvalue()
