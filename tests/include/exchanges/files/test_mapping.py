"""A mapping says what a folder holds; anything doubtful in it is refused by its key."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from include.exchanges.files.mapping import FileMapping, parse_mapping
from include.market.errors import InvalidInputError

GOOD: dict[str, Any] = {
    "url": "file:///data",
    "format": "csv",
    "pattern": "{symbol}/{timeframe}-*.csv.gz",
    "time": {"column": "t", "unit": "ms"},
    "columns": {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"},
    "assets": {"BTCUSDT": ["BTC", "USDT"]},
}


def read(**changes: Any) -> FileMapping:
    document = {key: value for key, value in (GOOD | changes).items() if value is not None}
    return parse_mapping(json.dumps(document))


def test_what_is_not_mapped_counts_as_never_stated() -> None:
    assert read().absent_columns == (
        "quote_volume",
        "taker_buy_volume",
        "taker_buy_quote_volume",
        "trade_count",
        "close_time",
    )
    known = read(columns=GOOD["columns"] | {"trade_count": "n"}, close_time={"column": "e"})
    assert known.absent_columns == ("quote_volume", "taker_buy_volume", "taker_buy_quote_volume")


@pytest.mark.parametrize(
    ("zone", "hours"),
    [("UTC", 0.0), ("Z", 0.0), ("+00:00", 0.0), ("+05:30", 5.5), ("-08:00", -8.0)],
)
def test_a_time_zone_is_utc_or_an_offset(zone: str, hours: float) -> None:
    time = read(time={"column": "t", "unit": "iso", "timezone": zone}).time
    assert time.offset == timedelta(hours=hours)


def test_without_a_header_columns_are_called_by_their_position() -> None:
    columns = {"open": 2, "close": 3, "high": 4, "low": 5, "volume": 6}
    found = read(has_header=False, time={"column": 1, "unit": "ms"}, columns=columns)
    assert found.columns["close"] == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colums": {}}, "unknown key 'colums': choose from absent_means, assets"),
        ({"url": None}, "lacks url"),
        ({"pattern": None, "assets": None}, "lacks pattern, assets"),
        ({"format": "xlsx"}, "format: choose one of 'csv', 'parquet', was 'xlsx'"),
        ({"pattern": "../{symbol}.csv"}, r"without '\.\.'"),
        ({"pattern": "/{symbol}.csv"}, "below the url"),
        ({"pattern": "{symbol}\\..\\x"}, "below the url"),
        ({"pattern": "**/{symbol}.csv"}, r"'\*\*'"),
        ({"pattern": "prices.csv"}, "expected {symbol}"),
        ({"pattern": "{symbol}{date}.csv"}, "expected {symbol}"),
        ({"time": {"column": "t", "unit": "minutes"}}, "unit: choose one of"),
        ({"time": {"column": "t", "unit": "ms", "zone": "UTC"}}, "unknown key 'zone'"),
        ({"time": {"column": "t", "unit": "iso", "timezone": "Europe/Berlin"}}, "summer time"),
        ({"time": {"column": "t", "unit": "ms", "timezone": "+01:00"}}, "remove the timezone"),
        ({"time": {"column": "t"}}, "time lacks unit"),
        ({"time": {"column": 1, "unit": "ms"}}, "its name in the header, was 1"),
        ({"time": {"column": True, "unit": "ms"}}, "name or its position"),
        ({"has_header": False}, "its position from 1, was"),
        ({"has_header": "no"}, "has_header: expected true or false"),
        ({"columns": {"open": "o"}}, "columns lacks high, low, close, volume"),
        ({"columns": GOOD["columns"] | {"vwap": "w"}}, "columns has unknown key 'vwap'"),
        ({"columns": GOOD["columns"] | {"quote_volume": "v"}}, "used twice"),
        ({"close_time": {"column": "t"}}, "used twice"),
        ({"close_time": {"column": "e", "exclusive": 1}}, "expected true or false"),
        ({"delimiter": "ab"}, "delimiter: choose one of"),
        ({"decimal": "'"}, "decimal: choose one of"),
        ({"tick_size": 0.01}, "tick_size: expected decimal text"),
        ({"assets": {}}, "assets: expected"),
        ({"assets": {"BTCUSDT": ["BTC"]}}, "expected names like"),
        ({"assets": {"../x": ["BTC", "USDT"]}}, "expected names like"),
        ({"assets": {"..": ["BTC", "USDT"]}}, "expected names like"),
        ({"assets": {"BTC/USDT": ["BTC", "USDT"]}}, "expected names like"),
        ({"assets": {"BTC*": ["BTC", "USDT"]}}, "expected names like"),
        ({"format": "parquet", "has_header": False}, "always names its columns"),
    ],
)
def test_what_is_doubtful_is_refused_by_its_key(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message) as caught:
        read(**changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "nothing", "[" * 100_000, '{"url": 1'])
def test_what_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="mapping of files"):
        parse_mapping(text)
