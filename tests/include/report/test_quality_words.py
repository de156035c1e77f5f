"""Numbers, times and tables are written as people read them, and nothing is rounded to a lie."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from include.report.quality_lines import (
    CheckLine,
    ComparisonLine,
    DifferenceLine,
    DriftLine,
    OpenGapLine,
    OutageLine,
)
from include.report.quality_numbers import (
    add_up,
    describe_numbers,
    head_tiles,
    show_age,
    show_share,
    show_time,
)
from include.report.quality_page import PageTable
from include.report.quality_tables import (
    check_table,
    comparison_table,
    difference_table,
    drift_table,
    gap_table,
    outage_table,
)
from tests.include.report.quality_maps import make_map, make_timeline

NOON = datetime(2024, 1, 3, 12, tzinfo=UTC)
GAP = OpenGapLine(
    venue="binance_spot", symbol="BTCUSDT", start=NOON, end=NOON + timedelta(minutes=1500),
    reason="fetch_failed", looks=3, found_at=NOON + timedelta(hours=2),
    next_look_at=NOON + timedelta(hours=6), given_up_at=None,
)  # fmt: skip


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 0, "-"), (0, 9, "0 %"), (9, 9, "100 %"), (1, 3, "33.33 %"),
        (999_999, 1_000_000, "> 99.99 %"), (1, 1_000_000, "< 0.01 %"), (9999, 10_000, "99.99 %"),
    ],
)  # fmt: skip
def test_only_all_is_all_and_only_nothing_is_nothing(part: int, whole: int, text: str) -> None:
    assert show_share(part, whole) == text


@pytest.mark.parametrize(
    ("age", "text"),
    [
        (timedelta(seconds=-5), "0 min"), (timedelta(seconds=59), "0 min"),
        (timedelta(minutes=61), "1 h 1 min"), (timedelta(hours=2), "2 h"),
        (timedelta(days=3, hours=2, minutes=59), "3 d 2 h"), (timedelta(days=400), "400 d"),
    ],
)  # fmt: skip
def test_ages(age: timedelta, text: str) -> None:
    assert show_age(age) == text


def test_times() -> None:
    assert show_time(NOON) == "2024-01-03 12:00"
    assert show_time(None) == ""


def test_totals_leave_out_what_lies_outside_a_life() -> None:
    found = make_map(
        planted={
            ("1m", 0, 0): {"pre_listing": 400, "present": 1000, "outage": 40},
            ("1m", 0, 1): {"present": 1400, "unknown": 30, "fetch_failed": 10},
            ("1m", 1, 2): {"present": 1435, "not_loaded": 5},
            ("4h", 0, 0): {"unknown": 6},
        }
    )
    numbers = add_up(
        found, make_timeline(off_grid=[3, 0, 0]), make_timeline(x=[0, 1, 0]),
        gaps=[GAP], gap_count=7,
    )  # fmt: skip
    assert numbers.expected == 6 * 1440 - 400
    assert numbers.stored == numbers.expected - 40 - 40 - 5
    assert (numbers.explained, numbers.unexplained, numbers.never_asked) == (40, 40, 5)
    assert (numbers.refused, numbers.alarms, numbers.gaps) == (3, 1, 7)
    assert describe_numbers(numbers) == (
        "98.97 % of 8,240 minutes stored, 40 absent for a known reason, 40 unexplained, "
        "5 never asked for"
    )
    tiles = {tile.label: tile for tile in head_tiles(numbers)}
    assert tiles["Minutes stored"].tone == "plain"
    assert (tiles["Unexplained"].value, tiles["Unexplained"].tone) == ("40", "bad")
    assert (tiles["Oldest open gap"].value, tiles["Oldest open gap"].note) == (
        "10 h",
        "BTCUSDT, 3 looks",
    )
    assert tiles["Drift alarms"].tone == "bad"


def test_what_is_whole_or_explained_is_good() -> None:
    found = make_map(planted={("1m", 0, 0): {"present": 1400, "no_trade": 40}})
    numbers = add_up(found, make_timeline(), make_timeline(), gaps=[], gap_count=0)
    tiles = {tile.label: tile for tile in head_tiles(numbers)}
    assert {tiles[name].tone for name in ("Minutes stored", "Unexplained", "Oldest open gap")} == {
        "good"
    }
    assert tiles["Oldest open gap"].value == "none"
    empty = add_up(make_map(symbols=()), make_timeline(), make_timeline(), gaps=[], gap_count=0)
    assert describe_numbers(empty) == "Nothing was expected in these days"
    assert head_tiles(empty)[0].tone == "plain"


def cells(table: PageTable) -> dict[str, str]:
    [row] = table.rows
    return dict(zip(table.columns, row, strict=True))


def test_gaps_tell_when_they_are_looked_for_again() -> None:
    told = cells(gap_table([GAP], 1))
    assert told["Minutes"] == "1,500"
    assert told["Reason"] == "fetch failed"
    assert told["Next look"] == "2024-01-03 18:00"
    assert gap_table([GAP], 1).note == ""
    assert gap_table([GAP], 60).note == "The longest 1 of 60."
    changes = {"next_look_at": None, "reason": "eaten_by_mice"}
    odd = OpenGapLine(**{name: getattr(GAP, name) for name in GAP.__slots__} | changes)
    assert cells(gap_table([odd], 1))["Next look"] == "at once"
    assert cells(gap_table([odd], 1))["Reason"] == "eaten_by_mice"
    lost = OpenGapLine(
        **{name: getattr(GAP, name) for name in GAP.__slots__} | {"given_up_at": NOON}
    )
    assert cells(gap_table([lost], 1))["Next look"] == "given up 2024-01-03 12:00"


def test_every_other_table_says_what_it_was_given() -> None:
    outage = OutageLine(
        venue="v", start=NOON, end=NOON + timedelta(hours=3), source="calendar", note="upgrade",
        instruments=4,
    )  # fmt: skip
    assert cells(outage_table([outage]))["Length"] == "3 h"
    check = CheckLine(
        checkpoint="warehouse", suite="candles", dataset="candle_1m", rows=1234, expectations=9,
        failed_block=1, failed_warn=2, failed_info=3, success=False, run_at=NOON,
    )  # fmt: skip
    told = cells(check_table([check]))
    assert (told["Rows"], told["Block"], told["Warn"], told["Info"], told["Verdict"]) == (
        "1,234", "1", "2", "3", "failed",
    )  # fmt: skip
    drift = DriftLine(
        venue="v", symbol="X", timeframe="5m", measure="range", advice="refit", detail="wider",
        began_at=NOON, found_at=NOON, is_accepted=False,
    )  # fmt: skip
    assert (cells(drift_table([drift]))["Models"], cells(drift_table([drift]))["What"]) == (
        "refit",
        "range",
    )
    comparison = ComparisonLine(
        venue="v", timeframe="1m", left="stored", right="rest", instruments=2, compared=2880,
        equal=2870, rounding=6, incomplete=1, differing=3, newest=NOON,
    )  # fmt: skip
    told = cells(comparison_table([comparison]))
    assert (told["Between"], told["Candles"], told["Differing"]) == (
        "stored and rest",
        "2,880",
        "3",
    )
    difference = DifferenceLine(
        venue="v", symbol="X", timeframe="1m", left="stored", right="rest",
        kind="unfinished_right", candles=12, newest=NOON,
    )  # fmt: skip
    assert cells(difference_table([difference]))["Kind"] == "unfinished rest"
    for table in (outage_table([]), check_table([]), drift_table([]), comparison_table([]),
                  difference_table([]), gap_table([], 0)):  # fmt: skip
        assert table.empty
        assert max(table.numbers, default=0) < len(table.columns)
