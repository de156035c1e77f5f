"""The wire format of aggregate trades."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from include.exchanges.binance_trades import parse_agg_trades
from include.market.errors import ContractError, SourceUnavailableError
from tests.support.agg_trades import BASE_MS, body, trade, trade_rows, void


def without(row: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name}


def test_the_documented_row_becomes_columns() -> None:
    rows = trade_rows([trade(26129, 5, f=27781, l=27790, m=False)])
    assert (rows.agg_id[0], rows.first_trade_id[0], rows.last_trade_id[0]) == (26129, 27781, 27790)
    assert (rows.price[0], rows.quantity[0]) == (0.01633102, 4.70443515)
    assert (rows.time_ms[0], bool(rows.buyer_maker[0])) == (BASE_MS + 5, False)
    assert json.loads(rows.raw[0])["a"] == 26129


def test_every_row_keeps_its_own_text() -> None:
    rows = trade_rows([trade(7, 0), trade(8, 1), trade(9, 2)])
    assert [json.loads(text)["a"] for text in rows.raw] == [7, 8, 9]


def test_no_trades_are_no_rows() -> None:
    assert len(trade_rows([])) == 0
    assert len(parse_agg_trades(b" [ ] ")) == 0


def test_futures_rows_lack_the_best_match_and_nothing_else() -> None:
    assert len(trade_rows([without(trade(1, 0), "M")])) == 1


@pytest.mark.parametrize("price", ["1.5", 1.5], ids=["text", "number"])
def test_prices_come_as_text_or_as_numbers(price: Any) -> None:
    assert trade_rows([trade(1, 0, p=price)]).price[0] == 1.5


def test_the_slow_reading_agrees_with_the_quick_one() -> None:
    sent = [trade(7, 0), void(8, 1), trade(9, 2, m=False, f=3, l=5)]
    quick = trade_rows(sent)
    # A field nobody knows makes the parser read with care.
    slow = trade_rows([*sent[:2], sent[2] | {"new": 1}])
    for name in ("agg_id", "price", "quantity", "first_trade_id", "last_trade_id", "time_ms"):
        assert np.array_equal(getattr(quick, name), getattr(slow, name)), name
    assert np.array_equal(quick.buyer_maker, slow.buyer_maker)


@pytest.mark.parametrize("venue", ["spot", "futures"])
def test_an_added_field_is_told_and_ignored(venue: str) -> None:
    told: list[tuple[str, str]] = []
    row = trade(1, 0) if venue == "spot" else without(trade(1, 0), "M")
    rows = parse_agg_trades(
        body([row | {"st": 1}]), lambda endpoint, field: told.append((endpoint, field))
    )
    assert (len(rows), told) == (1, [("aggTrades", "st")])


@pytest.mark.parametrize("name", ["a", "p", "q", "f", "l", "T", "m"])
def test_a_removed_or_renamed_field_stops_before_anything_is_kept(name: str) -> None:
    renamed = without(trade(2, 0), name) | {"other": 1}
    with pytest.raises(ContractError, match=f"lost {name}"):
        trade_rows([trade(1, 0), renamed])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("p", True), ("p", ["1"]), ("p", None), ("q", {"n": 1}), ("a", True), ("a", 1.5),
        ("f", "x"), ("l", [1]), ("T", "soon"), ("m", "true"), ("m", 1), ("T", BASE_MS * 1000),
        ("T", BASE_MS // 1000), ("a", 2**63),
    ],
)  # fmt: skip
def test_a_changed_type_or_unit_stops_before_anything_is_kept(name: str, value: Any) -> None:
    with pytest.raises(ContractError, match="aggTrades: expected"):
        trade_rows([trade(1, 0), trade(2, 0) | {name: value}])


@pytest.mark.parametrize("price", ["n/a", "", "NaN", "inf", "1e999"])
def test_text_that_is_no_finite_number_waits_for_the_gate(price: str) -> None:
    rows = trade_rows([trade(1, 0), trade(2, 0, p=price)])
    assert np.isfinite(rows.price).tolist() == [True, False]
    assert price in rows.raw[1].decode()


@pytest.mark.parametrize(
    "damaged",
    [
        body([trade(1, 0)])[:-9],
        body([trade(1, 0), trade(2, 1)]).replace(b'"a":2', b'"a":2,"a":3'),
        body([trade(1, 0)]).replace(b'"0.01633102"', b"NaN"),
    ],
    ids=["cut", "repeated key", "nan"],
)
def test_damage_is_asked_for_again(damaged: bytes) -> None:
    with pytest.raises(SourceUnavailableError):
        parse_agg_trades(damaged)


@pytest.mark.parametrize("document", [b'{"code":0}', b"[1]", b"[[1]]", b'"x"'])
def test_another_document_is_a_broken_contract(document: bytes) -> None:
    with pytest.raises(ContractError):
        parse_agg_trades(document)
