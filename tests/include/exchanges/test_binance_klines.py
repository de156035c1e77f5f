"""Kline bodies in, columns out: the quick way and the careful way tell the same."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from include.exchanges import binance_klines
from include.exchanges.binance_klines import parse_klines
from include.jobs.storage import payload_sha256
from include.market.candle import VALUE_COLUMNS
from include.market.errors import ContractError, SourceUnavailableError
from tests.support.klines import body, kline

# Documented example: Binance spot API documentation, "Kline/Candlestick data".
DOCUMENTED = [
    1499040000000, "0.01634790", "0.80000000", "0.01575800", "0.01577100", "148976.11427815",
    1499040059999, "2434.19055334", 308, "1756.87402397", "28.46694368", "0",
]  # fmt: skip

DECIMALS = st.decimals(0, 10**12, places=8).map(str)
CELLS = st.one_of(DECIMALS, st.floats(0, 1e15, allow_nan=False), st.integers(0, 10**15))


def test_the_documented_row_becomes_columns() -> None:
    rows = parse_klines(body([DOCUMENTED]))
    assert (rows.open_ms.tolist(), rows.close_ms.tolist()) == ([1499040000000], [1499040059999])
    assert dict(zip(VALUE_COLUMNS, rows.values[0].tolist(), strict=True)) == {
        "open": 0.0163479, "high": 0.8, "low": 0.015758, "close": 0.015771,
        "volume": 148976.11427815, "quote_volume": 2434.19055334,
        "taker_buy_volume": 1756.87402397, "taker_buy_quote_volume": 28.46694368,
        "trade_count": 308.0,
    }  # fmt: skip
    assert rows.raw == [body([DOCUMENTED])[1:-1]]


@given(st.lists(st.lists(CELLS, min_size=9, max_size=9), max_size=5))
@example([["9007199254740993", "0.1", "1e-7", "123456789.123456789", *["1"] * 5]])
def test_the_quick_way_reads_what_the_careful_way_reads(values: list[list[Any]]) -> None:
    names = ("open", "high", "low", "close", "volume", "quote", "taker", "taker_quote", "count")
    sent = body(
        kline(60_000 * (25_000_000 + n), **dict(zip(names, row, strict=True)))
        for n, row in enumerate(values)
    )
    quick = binance_klines._parse_quickly(sent)
    careful = binance_klines._parse_carefully(sent, None)
    assert quick is not None
    assert quick.values.tobytes() == careful.values.tobytes()
    assert (quick.open_ms.tolist(), quick.close_ms.tolist()) == (
        careful.open_ms.tolist(),
        careful.close_ms.tolist(),
    )
    assert [json.loads(raw) for raw in quick.raw] == [json.loads(raw) for raw in careful.raw]


EIGHT_PLACES = st.decimals(0, 10**9, places=8).map(lambda value: f"{value:.8f}")
COUNTS = st.integers(0, 10**9)


@given(st.lists(st.tuples(*[EIGHT_PLACES] * 8, COUNTS), min_size=1, max_size=5))
@example([(*["90071992.54740993"] * 8, 9007199254740993)])
def test_the_documented_way_of_writing_reads_as_the_careful_way_does(
    values: list[tuple[Any, ...]],
) -> None:
    names = ("open", "high", "low", "close", "volume", "quote", "taker", "taker_quote", "count")
    sent = body(
        kline(60_000 * (25_000_000 + n), **dict(zip(names, row, strict=True)))
        for n, row in enumerate(values)
    )
    plain = binance_klines._parse_plain(sent)
    careful = binance_klines._parse_carefully(sent, None)
    assert plain is not None
    assert plain.values.tobytes() == careful.values.tobytes()
    assert plain.open_ms.tolist() == careful.open_ms.tolist()
    assert plain.close_ms.tolist() == careful.close_ms.tolist()
    assert plain.raw == careful.raw
    assert payload_sha256(plain) == payload_sha256(careful)


@pytest.mark.parametrize("value", ["n/a", "", None, True, [1], {"a": 1}, "NaN", "1e999", "-inf"])
def test_a_value_that_is_no_number_waits_for_the_gate_with_its_raw_row(value: Any) -> None:
    rows = parse_klines(body([DOCUMENTED, [*DOCUMENTED[:4], value, *DOCUMENTED[5:]]]))
    assert np.isfinite(rows.column("close")).tolist() == [True, False]
    assert json.loads(rows.raw[1])[4] == value


@pytest.mark.parametrize("spaced", [b" [ [%b] , [%b] ] ", b"[[%b], [%b]]", b"[[%b],\n[%b]]"])
def test_white_space_changes_nothing(spaced: bytes) -> None:
    inner = body([DOCUMENTED])[2:-2]
    rows = parse_klines(spaced % (inner, inner))
    assert [json.loads(raw) for raw in rows.raw] == [DOCUMENTED, DOCUMENTED]


def test_a_bracket_inside_a_text_does_not_split_a_row() -> None:
    odd = [*DOCUMENTED[:11], "],["]
    rows = parse_klines(body([odd, odd]))
    assert [json.loads(raw) for raw in rows.raw] == [odd, odd]


def test_prices_may_come_as_numbers_and_times_as_text() -> None:
    loose = [str(DOCUMENTED[0]), 0.0163479, *DOCUMENTED[2:6], str(DOCUMENTED[6]), *DOCUMENTED[7:]]
    rows = parse_klines(body([loose]))
    assert (rows.open_ms[0], rows.values[0, 0]) == (1499040000000, 0.0163479)


def test_a_field_more_is_ignored_and_told_of() -> None:
    told: list[tuple[str, str]] = []
    rows = parse_klines(body([[*DOCUMENTED, "new"]]), lambda *field: told.append(field))
    assert (len(rows), told) == (1, [("klines", "[12]")])


@pytest.mark.parametrize(
    "document",
    [
        {"code": 0},
        [DOCUMENTED[:11]],
        [[True, *DOCUMENTED[1:]]],
        [[1499040000, *DOCUMENTED[1:]]],
        [[1499040000000000, *DOCUMENTED[1:]]],
        [[1499040000000.5, *DOCUMENTED[1:]]],
        [{"t": 1}],
    ],
    ids=["object", "field lost", "bool time", "seconds", "microseconds", "half a ms", "objects"],
)
def test_a_changed_format_stops_before_anything_is_kept(document: Any) -> None:
    with pytest.raises(ContractError, match="klines: expected"):
        parse_klines(json.dumps(document).encode())


@pytest.mark.parametrize(
    "damaged", [b"[[1499040000000,", b"", b"[[NaN]]", b"\xff[]", b"[[[" * 50_000]
)
def test_damage_asks_for_the_page_again(damaged: bytes) -> None:
    with pytest.raises(SourceUnavailableError):
        parse_klines(damaged)
