"""Faults of rows, each against the clean page that the formula gives."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any

import pytest

from tests.support.fault_server import (
    CURRENT_MS,
    FIRST_MS,
    KLINES,
    MINUTE_MS,
    NOW_MS,
    FaultServer,
    agg_trades,
    page,
)

TRADES, INFO, TIME = "/api/v3/aggTrades", "/api/v3/exchangeInfo", "/api/v3/time"
FUNDING = "/fapi/v1/fundingRate"
OPEN, HIGH, LOW, CLOSE, VOLUME, COUNT = 1, 2, 3, 4, 5, 8


def lie(server: FaultServer, target: str = KLINES, **rule: object) -> Any:
    """Return the answer under one rule, which must have fired."""
    server.on(rule)
    told = server.get(target)
    assert server.fired() == [1]
    assert server.hits()[0]["faults"] == [rule["fault"]]
    return told


def test_short_pages(server: FaultServer) -> None:
    assert lie(server, fault="cut_valid_json", keep=0.25) == page()[:25]


def test_rows_dropped_from_the_middle(server: FaultServer) -> None:
    told = lie(server, fault="dropped_rows", rows=3)
    gap = [row for row in page() if row not in told]
    assert len(told) == 97
    assert (told[0], told[-1]) == (page()[0], page()[-1])
    assert [row[0] - gap[0][0] for row in gap] == [0, MINUTE_MS, 2 * MINUTE_MS]


def test_duplicate_page(server: FaultServer) -> None:
    assert lie(server, fault="duplicate_page") == page() + page()


def test_overlapping_page(server: FaultServer) -> None:
    server.on({"fault": "overlapping_page", "rows": 2})
    asked = "/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=10&startTime="
    first = server.get(f"{asked}{FIRST_MS}")
    second = server.get(f"{asked}{FIRST_MS + 10 * MINUTE_MS}")
    assert first == page(10)
    assert second == page(12, FIRST_MS + 8 * MINUTE_MS)
    assert server.fired() == [1]


@pytest.mark.parametrize("order", ["random", "reversed"])
def test_shuffled_rows(server: FaultServer, order: str) -> None:
    told = lie(server, fault="shuffled_rows", order=order)
    assert sorted(told) == page()
    assert told != page()
    assert (told == page()[::-1]) is (order == "reversed")


def test_rows_outside_the_asked_range(server: FaultServer) -> None:
    told = lie(server, fault="rows_outside", rows=2)
    assert told[2:-2] == page()
    assert [row[0] - FIRST_MS for row in told[:2]] == [-2 * MINUTE_MS, -MINUTE_MS]
    assert all(row[0] >= CURRENT_MS for row in told[-2:])
    assert all(row[6] - row[0] == MINUTE_MS - 1 for row in told)


@pytest.mark.parametrize(("side", "counts"), [("before", (2, 0)), ("after", (0, 2))])
def test_rows_outside_on_one_side(server: FaultServer, side: str, counts: tuple[int, int]) -> None:
    told = lie(server, fault="rows_outside", rows=2, side=side)
    before = sum(row[0] < FIRST_MS for row in told)
    assert (before, sum(row[0] >= CURRENT_MS for row in told)) == counts


@pytest.mark.parametrize(("target", "clean"), [(KLINES, []), (TRADES, [])])
def test_empty_page(server: FaultServer, target: str, clean: object) -> None:
    assert lie(server, target, fault="empty_page") == clean


def test_an_object_without_rows_cannot_be_emptied(server: FaultServer) -> None:
    server.on({"fault": "empty_page"})
    assert server.get(TIME) == {"serverTime": NOW_MS}
    assert server.fired() == [0]
    assert server.get(INFO)["symbols"] == []


def test_stuck_cursor(server: FaultServer) -> None:
    server.on({"fault": "stuck_cursor"})
    asked = "/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=10&startTime="
    for step in range(3):
        assert server.get(f"{asked}{FIRST_MS + step * 10 * MINUTE_MS}") == page(10)
    assert server.fired() == [2]


@pytest.mark.parametrize(
    ("close_time", "told_ms"),
    [
        ("future", CURRENT_MS + MINUTE_MS - 1),
        ("now", NOW_MS),
        ("past", CURRENT_MS - 1),
    ],
)
def test_the_open_candle_comes_though_it_was_excluded(
    server: FaultServer, close_time: str, told_ms: int
) -> None:
    told = lie(server, fault="open_candle_as_last", close_time=close_time)
    assert told[:-1] == page()
    assert told[-1][0] == CURRENT_MS
    assert told[-1][6] == told_ms
    assert told[-1][VOLUME] == "6.25000000"


def test_an_open_candle_is_not_added_far_from_now(server: FaultServer) -> None:
    server.on({"fault": "open_candle_as_last"})
    assert server.get(f"{KLINES}&limit=10") == page(10)
    assert server.fired() == [0]


def test_the_newest_finished_candle_may_be_stale(server: FaultServer) -> None:
    told = lie(server, fault="stale_last_candle")
    clean = page()[-1]
    assert told[:-1] == page()[:-1]
    assert told[-1][:4] == clean[:4]
    assert told[-1][CLOSE] == clean[OPEN]
    assert (told[-1][VOLUME], told[-1][COUNT]) == ("6.25000000", 7)


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        ("json_nan", b"NaN"),
        ("json_infinity", b"Infinity"),
        ("json_overflow", b"1e999"),
        ("huge_integer", b"9" * 5000),
    ],
)
def test_words_that_are_no_numbers(server: FaultServer, fault: str, word: bytes) -> None:
    server.on({"fault": fault, "row": 3})
    body = server.ask(KLINES).body
    assert body.count(b"," + word + b",") == 1
    clean = body.replace(b"," + word + b",", b',"12.50000000",')
    assert json.loads(clean) == page()


def test_json_words_fit_objects_too(server: FaultServer) -> None:
    told = lie(server, TRADES, fault="json_nan", row="all", field="p")
    assert all(math.isnan(trade["p"]) for trade in told)
    assert [trade["q"] for trade in told] == ["0.50"] * 10


def test_prices_scaled(server: FaultServer) -> None:
    told = lie(server, fault="absurd_price", factor=1000, row=5)
    clean = page()[5]
    assert [Decimal(cell) for cell in told[5][1:5]] == [Decimal(c) * 1000 for c in clean[1:5]]
    assert [row for row in told if row != told[5]] == [row for row in page() if row != clean]


@pytest.mark.parametrize(("fault", "sign"), [("negative_price", -1), ("zero_price", 0)])
def test_prices_below(server: FaultServer, fault: str, sign: int) -> None:
    told = lie(server, fault=fault, row="all")
    for row, clean in zip(told, page(), strict=True):
        assert [Decimal(cell) for cell in row[1:5]] == [Decimal(c) * sign for c in clean[1:5]]
        assert row[5:] == clean[5:]


def test_negative_volume(server: FaultServer) -> None:
    told = lie(server, fault="negative_volume", row=-1)
    assert told[-1][VOLUME] == "-12.50000000"
    assert told[:-1] == page()[:-1]


def test_high_below_low_and_close_outside(server: FaultServer) -> None:
    row = lie(server, fault="high_below_low", row=0)[0]
    assert Decimal(row[HIGH]) < Decimal(row[LOW])
    server.send("DELETE", "/sim/faults")
    server.on({"fault": "close_outside", "row": 0})
    row = server.get(KLINES)[0]
    assert Decimal(row[CLOSE]) > Decimal(row[HIGH])
    assert Decimal(row[CLOSE]) > Decimal(page()[0][HIGH])


@pytest.mark.parametrize(
    ("fault", "text"), [("huge_number", "1" + "0" * 30), ("tiny_number", "1e-400")]
)
def test_numbers_out_of_all_bounds(server: FaultServer, fault: str, text: str) -> None:
    assert lie(server, fault=fault, row=0, field="volume")[0][VOLUME] == text


def test_nan_as_text(server: FaultServer) -> None:
    assert lie(server, fault="nan_text", row=1, field="close")[1][CLOSE] == "NaN"


@pytest.mark.parametrize(("fault", "sign"), [("clock_ahead", 1), ("clock_behind", -1)])
@pytest.mark.parametrize("target", [TIME, INFO])
def test_server_time_is_off(server: FaultServer, fault: str, sign: int, target: str) -> None:
    told = lie(server, target, fault=fault, seconds=300)
    assert told["serverTime"] == NOW_MS + sign * 300_000


def test_times_in_other_units(server: FaultServer) -> None:
    told = lie(server, fault="microseconds")
    assert [row[0] for row in told] == [row[0] * 1000 for row in page()]
    assert told[0][6] == page()[0][6] * 1000
    server.send("DELETE", "/sim/faults")
    server.on({"fault": "seconds"})
    assert [row[0] for row in server.get(KLINES)] == [row[0] // 1000 for row in page()]
    assert server.get(TIME)["serverTime"] == NOW_MS // 1000
    assert server.get(TRADES)[3]["T"] == (FIRST_MS + 3) // 1000
    assert server.get(FUNDING)[2]["fundingTime"] == (FIRST_MS + 2) // 1000


def test_wall_clocks(server: FaultServer) -> None:
    moved = lie(server, fault="hour_shift", hours=-1)
    assert [row[0] for row in moved] == [row[0] - 3_600_000 for row in page()]
    for fault, shift_ms in (("dst_fall_back", -3_600_000), ("leap_second", 1_000)):
        server.send("DELETE", "/sim/faults")
        server.on({"fault": fault})
        told = server.get(KLINES)
        assert told[:50] == page()[:50]
        assert [row[0] for row in told[50:]] == [row[0] + shift_ms for row in page()[50:]]
    server.send("DELETE", "/sim/faults")
    server.on({"fault": "iso_times"})
    assert server.get(KLINES)[0][0] == "2025-07-31 03:37:00"


def test_added_fields(server: FaultServer) -> None:
    assert lie(server, fault="added_field")[0] == [*page()[0], "1"]
    assert server.get(TRADES)[0] == {**agg_trades()[0], "st": "1"}
    assert server.get(INFO)["symbols"][1]["st"] == "1"


def test_removed_fields(server: FaultServer) -> None:
    assert [len(row) for row in lie(server, fault="removed_field")] == [11] * 100
    assert "q" not in server.get(TRADES)[0]
    assert "status" not in server.get(INFO)["symbols"][0]
    assert server.get(TIME) == {}
    assert "fundingRate" not in server.get(FUNDING)[0]


def test_a_field_named_by_the_rule_is_removed(server: FaultServer) -> None:
    told = lie(server, INFO, fault="removed_field", field="symbol")
    assert set(told["symbols"][0]) == {"status", "baseAssetPrecision"}


def test_renamed_fields(server: FaultServer) -> None:
    told = lie(server, TRADES, fault="renamed_field", field="price", to="px")
    assert list(told[0]) == ["a", "px", "q", "f", "l", "T", "m"]
    assert server.get(KLINES) == page()
    assert server.fired() == [1]


def test_strings_and_numbers_exchanged(server: FaultServer) -> None:
    server.on({"fault": "number_for_string"})
    body = server.ask(KLINES).body
    assert body.startswith(f"[[{FIRST_MS},{page()[0][1]},".encode())
    assert b'"' not in body
    server.send("DELETE", "/sim/faults")
    server.on({"fault": "string_for_number"})
    told = server.get(KLINES)[0]
    assert told == [str(cell) for cell in page()[0]]
    assert server.get(TRADES)[0]["m"] is True


@pytest.mark.parametrize(
    ("value", "told"),
    [("true", True), ("list", [1]), ("null", None), ("object", {"v": 1}), ("word", "many")],
)
def test_values_of_no_numeric_type(server: FaultServer, value: str, told: object) -> None:
    rows = lie(server, fault="wrong_type", value=value, row=2, field="close")
    assert rows[2][CLOSE] == told
    assert type(rows[2][CLOSE]) is type(told)


def test_columns_swapped(server: FaultServer) -> None:
    told = lie(server, fault="column_swap", first=0, second=5)
    assert told[0][:1] == page()[0][5:6]
    assert told[0][5:6] == page()[0][:1]


def test_a_key_twice(server: FaultServer) -> None:
    server.on({"fault": "duplicate_key"})
    pairs: list[list[tuple[str, object]]] = []
    json.loads(server.ask(TRADES).body, object_pairs_hook=pairs.append)
    assert [key for key, _ in pairs[0]].count("q") == 2
    assert [value for key, value in pairs[0] if key == "q"] == ["0.50", "1.50"]
    assert len({key for key, _ in pairs[1]}) == len(pairs[1])


def test_a_row_number_beyond_the_page_does_nothing(server: FaultServer) -> None:
    server.on({"fault": "negative_price", "row": 5000})
    assert server.get(KLINES) == page()
    assert server.fired() == [0]


def test_even_two_rows_are_always_shuffled(server: FaultServer) -> None:
    server.on({"fault": "shuffled_rows"})
    for _ in range(8):
        assert server.get(f"{KLINES}&limit=2") == page(2)[::-1]
