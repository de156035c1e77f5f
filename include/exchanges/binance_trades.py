"""Binance's aggregate trades, alike on spot and futures, to columns. Pure.

Source: Binance spot API documentation, "Compressed/Aggregate trades list", and USD-M futures
documentation, "Compressed/Aggregate Trades List": ``a`` aggregate id, ``p`` price, ``q`` quantity,
``f`` and ``l`` first and last trade id (inclusive), ``T`` time, ``m`` buyer is the maker, ``M``
best match (spot only). Since 2022-04-12 the venue marks trades it has taken back with price and
quantity 0 and both trade ids -1; such rows are kept here, see :func:`find_flaws`.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
import numpy as np

from include.exchanges.binance_klines import EARLIEST_MS, LATEST_MS, NoteField, as_float
from include.exchanges.rows import TradeRows, no_trades
from include.exchanges.strict_json import parse_strict
from include.market.errors import ContractError

ENDPOINT = "aggTrades"
REQUIRED = ("a", "p", "q", "f", "l", "T", "m")
KNOWN = frozenset((*REQUIRED, "M"))


class _Wire(msgspec.Struct, forbid_unknown_fields=True):
    a: int
    p: str | float
    q: str | float
    f: int
    l: int  # noqa: E741  # the venue's own name
    T: int
    m: bool
    M: bool = True


# Strict: a lax decoder takes 1 and "true" for a boolean.
_DECODER = msgspec.json.Decoder(list[_Wire])


def parse_agg_trades(body: bytes, note_field: NoteField | None = None) -> TradeRows:
    """Return the aggregate trades of one answer, in the order sent.

    A price or quantity in text that is no number becomes NaN. A field more than we know is ignored
    and told to ``note_field``.

    Raises:
        SourceUnavailableError: the body is damaged; ask again.
        ContractError: no list of objects, a field we need is gone, or a value changed its type or
            its unit: nothing of the answer may be stored.
    """
    rows = _parse_quickly(body)
    return _parse_carefully(body, note_field) if rows is None else rows


def _parse_quickly(body: bytes) -> TradeRows | None:
    """Return the trades of an answer without any surprise, None for every other."""
    if body == b"[]":
        return no_trades()
    try:
        found = _DECODER.decode(body)
    except msgspec.MsgspecError:
        return None
    raw = body[2:-2].split(b"},{")
    keys = body.count(b'":')
    # The decoder takes the last of two equal keys; counting them shows that no key is repeated.
    whole = keys in (len(found) * len(REQUIRED), len(found) * len(KNOWN))
    if len(raw) != len(found) or not whole or body[:2] != b"[{" or body[-2:] != b"}]":
        return None
    rows = _as_columns(found, [b"{%b}" % text for text in raw])
    return rows if rows is not None and _is_usual(rows) else None


def _as_columns(found: list[_Wire], raw: list[bytes]) -> TradeRows | None:
    try:
        return TradeRows(
            agg_id=np.array([row.a for row in found], dtype=np.int64),
            price=np.array([row.p for row in found], dtype=np.float64),
            quantity=np.array([row.q for row in found], dtype=np.float64),
            first_trade_id=np.array([row.f for row in found], dtype=np.int64),
            last_trade_id=np.array([row.l for row in found], dtype=np.int64),
            time_ms=np.array([row.T for row in found], dtype=np.int64),
            buyer_maker=np.array([row.m for row in found], dtype=np.bool_),
            raw=raw,
        )
    except (ValueError, OverflowError):
        return None


def _is_usual(rows: TradeRows) -> bool:
    in_ms = (rows.time_ms > EARLIEST_MS) & (rows.time_ms < LATEST_MS)
    return bool(in_ms.all() and np.isfinite(rows.price + rows.quantity).all())


def _parse_carefully(body: bytes, note_field: NoteField | None) -> TradeRows:
    document = parse_strict(body)
    if not isinstance(document, list):
        raise ContractError(f"{ENDPOINT}: expected a list, was {str(document)[:120]}")
    if not document:
        return no_trades()
    fields = [_fields_of(row, note_field) for row in document]
    raw = [json.dumps(row, separators=(",", ":")).encode() for row in document]
    return _as_rows(fields, raw, note_field)


def _fields_of(row: Any, note_field: NoteField | None) -> tuple[Any, ...]:
    if not isinstance(row, dict) or not row.keys() >= set(REQUIRED):
        gone = [name for name in REQUIRED if not isinstance(row, dict) or name not in row]
        if isinstance(row, dict) and note_field is not None:
            for name in gone:
                note_field(ENDPOINT, name, "removed")
        raise ContractError(f"{ENDPOINT} lost {', '.join(gone)}: was {str(row)[:120]}")
    if note_field is not None:
        for name in row.keys() - KNOWN:
            note_field(ENDPOINT, name)
    if not isinstance(row["m"], bool):
        raise ContractError(f"{ENDPOINT}: expected m to be true or false, was {row['m']!r}")
    return (
        _whole(row, "a"),
        _decimal(row, "p"),
        _decimal(row, "q"),
        _whole(row, "f"),
        _whole(row, "l"),
        _whole(row, "T"),
        row["m"],
    )


def _whole(row: dict[str, Any], name: str) -> int:
    value = row[name]
    try:
        if type(value) is int or isinstance(value, str):
            return int(value)
    except ValueError:
        pass
    raise ContractError(f"{ENDPOINT}: expected {name} to be a whole number, was {value!r:.80}")


def _decimal(row: dict[str, Any], name: str) -> float:
    value = row[name]
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ContractError(f"{ENDPOINT}: expected {name} to be a number, was {value!r:.80}")
    return as_float(value)


def _as_rows(
    fields: list[tuple[Any, ...]], raw: list[bytes], note_field: NoteField | None
) -> TradeRows:
    agg_id, price, quantity, first, last, time_ms, maker = zip(*fields, strict=True)
    strange = [ms for ms in time_ms if not EARLIEST_MS < ms < LATEST_MS]
    widest = max(map(abs, (*agg_id, *first, *last)))
    if strange and note_field is not None:
        note_field(ENDPOINT, "T", "unit")
    if strange or widest >= 2**63:
        raise ContractError(
            f"{ENDPOINT}: expected T in epoch milliseconds and ids of 64 bits, was "
            f"{strange[0] if strange else widest}"
        )
    return TradeRows(
        agg_id=np.array(agg_id, dtype=np.int64),
        price=np.array(price, dtype=np.float64),
        quantity=np.array(quantity, dtype=np.float64),
        first_trade_id=np.array(first, dtype=np.int64),
        last_trade_id=np.array(last, dtype=np.int64),
        time_ms=np.array(time_ms, dtype=np.int64),
        buyer_maker=np.array(maker, dtype=np.bool_),
        raw=raw,
    )
