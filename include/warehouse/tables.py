"""The tables rows are loaded into, with what PostgreSQL cannot state about them.

Columns, types, nullability and keys repeat the migrated database (a test compares them); ``info``
adds what the loader must know beside that. To make another table loadable, create it by a migration
and declare it here: nothing else.

On a table, ``info`` may hold

``key``         columns that tell its rows apart, as stored; the primary key when absent.
``found_by``    for a table others refer to: the ``Lookup`` that leads from names to its identity;
                absent means its own key does.
``dated_by``    column whose instant decides what a name meant; the table's time.
``step``        interval from row to row, as SQL reads it; rows of consecutive steps are one change.
``revisions``   ``Revisions``: where replaced rows are kept.
``grows``       True for a table whose entities are created by being named.
``loaded_by``   in words, what else writes the table when rows of it cannot simply be merged.

On a column, ``merge`` names the rule for a row that is stored already: ``latest`` (the default),
``keep``, ``known``, ``greatest`` or ``least``; ``schema`` says what each does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Column, ForeignKey, Identity, MetaData, Table, func
from sqlalchemy.dialects.postgresql import (
    BIGINT,
    BOOLEAN,
    DOUBLE_PRECISION,
    INTEGER,
    NUMERIC,
    SMALLINT,
    TEXT,
    TIMESTAMP,
    TSTZRANGE,
)

from include.market.candle import FLOAT_COLUMNS, OPTIONAL_COLUMNS
from include.market.timeframe import H4, M1, M5, M30, TIMEFRAMES, Timeframe


@dataclass(frozen=True, slots=True)
class Lookup:
    """A table that leads from names to an identity, and when each name holds.

    ``columns`` are matched by name; ``valid_during`` is the column with the period, if any.
    ``cased_by`` pairs a name with the column, of the table another name refers to, that says how
    the name is spelled.
    """

    table: str
    columns: tuple[str, ...]
    gives: str
    valid_during: str | None = None
    cased_by: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Revisions:
    """The table replaced rows go to, with the columns that tell from which table they came."""

    table: str
    marks: dict[str, str] = field(default_factory=dict)


METADATA: Final = MetaData()


def _time(name: str, **options: Any) -> Column[Any]:
    return Column(name, TIMESTAMP(timezone=True), **options)


def _float(name: str, **options: Any) -> Column[Any]:
    return Column(name, DOUBLE_PRECISION, **options)


def _refers(name: str, kind: Any, target: str, **options: Any) -> Column[Any]:
    return Column(name, kind, ForeignKey(target), nullable=False, **options)


def _instrument_key() -> Column[Any]:
    return _refers("instrument_id", INTEGER, "market.instrument.instrument_id", primary_key=True)


def _lineage(*, source: bool = True, revision: bool = True) -> list[Column[Any]]:
    """Return the columns the loader itself fills in."""
    columns: list[Column[Any]] = [Column("source", TEXT, nullable=False)] if source else []
    if revision:
        columns.append(Column("revision", INTEGER, nullable=False, server_default="1"))
    return [
        *columns,
        _refers("load_id", BIGINT, "ledger.load.load_id"),
        _time("recorded_at", nullable=False),
    ]


Table(
    "load",
    METADATA,
    Column("load_id", BIGINT, Identity(always=True), primary_key=True),
    schema="ledger",
    info={"loaded_by": "the loader itself: it is the receipt"},
)

Table(
    "venue",
    METADATA,
    Column("venue_id", INTEGER, Identity(always=True), primary_key=True),
    Column("name", TEXT, nullable=False, unique=True),
    Column("title", TEXT, nullable=False),
    Column("kind", TEXT, nullable=False),
    Column("session_calendar", TEXT, nullable=False),
    Column("symbol_case", TEXT, nullable=False, server_default="exact"),
    schema="market",
    info={"key": ("name",)},
)

Table(
    "asset",
    METADATA,
    Column("asset_id", INTEGER, Identity(always=True), primary_key=True),
    Column("code", TEXT, nullable=False, unique=True),
    schema="market",
    info={"key": ("code",), "grows": True},
)

Table(
    "instrument",
    METADATA,
    Column("instrument_id", INTEGER, Identity(always=True), primary_key=True),
    _refers("venue_id", INTEGER, "market.venue.venue_id"),
    Column("symbol", TEXT, nullable=False),
    _refers("base_asset_id", INTEGER, "market.asset.asset_id"),
    _refers("quote_asset_id", INTEGER, "market.asset.asset_id"),
    Column("kind", TEXT, nullable=False),
    Column("status", TEXT, nullable=False),
    Column("tick_size", NUMERIC, nullable=False),
    Column("lot_size", NUMERIC, nullable=False),
    _time("listed_at"),
    _time("delisted_at"),
    Column("valid_during", TSTZRANGE, nullable=False),
    _time("recorded_at", nullable=False, server_default=func.now()),
    Column("funding_interval_ms", INTEGER),
    schema="market",
    info={
        "found_by": Lookup(
            "market.instrument_alias",
            ("venue_id", "symbol"),
            gives="instrument_id",
            valid_during="valid_during",
            cased_by=("symbol", "symbol_case"),
        ),
        "loaded_by": "instrument_rows.load_instruments: its rows are versions with aliases",
    },
)

Table(
    "instrument_alias",
    METADATA,
    Column("alias_id", BIGINT, Identity(always=True), primary_key=True),
    _refers("instrument_id", INTEGER, "market.instrument.instrument_id"),
    _refers("venue_id", INTEGER, "market.venue.venue_id"),
    Column("symbol", TEXT, nullable=False),
    Column("valid_during", TSTZRANGE, nullable=False),
    schema="market",
    info={"loaded_by": "reference.sync_instruments and reference.rename_instrument"},
)

Table(
    "session",
    METADATA,
    Column("session_id", BIGINT, Identity(always=True), primary_key=True),
    _refers("venue_id", INTEGER, "market.venue.venue_id"),
    _time("opens_at", nullable=False),
    _time("closes_at", nullable=False),
    schema="market",
    info={"key": ("venue_id", "opens_at"), "dated_by": "opens_at"},
)


def _declare_candle(timeframe: Timeframe) -> None:
    values: list[Column[Any]] = [
        _float(name, nullable=name in OPTIONAL_COLUMNS) for name in FLOAT_COLUMNS
    ]
    children: list[Column[Any]] = [
        Column(name, SMALLINT, nullable=False)
        for name in ("children_present", "children_expected")
        if timeframe != M1
    ]
    Table(
        timeframe.dataset,
        METADATA,
        _instrument_key(),
        _time("open_time", primary_key=True),
        *values,
        Column("trade_count", BIGINT),
        *children,
        Column("flags", SMALLINT, nullable=False, server_default="0"),
        *_lineage(),
        schema="market",
        info={
            "dated_by": "open_time",
            "step": timeframe.interval,
            "revisions": Revisions("market.candle_revision", {"timeframe": timeframe.label}),
        },
    )


# The four of the default chain are in every warehouse, the others where they are configured.
for _timeframe in sorted({M1, M5, M30, H4, *TIMEFRAMES.values()}):
    _declare_candle(_timeframe)

Table(
    "trade",
    METADATA,
    _instrument_key(),
    _time("trade_time", primary_key=True),
    Column("trade_id", BIGINT, primary_key=True, autoincrement=False),
    _float("price", nullable=False),
    _float("quantity", nullable=False),
    Column("buyer_is_maker", BOOLEAN, nullable=False),
    *_lineage(revision=False),
    schema="market",
    info={"dated_by": "trade_time"},
)

Table(
    "funding_rate",
    METADATA,
    _instrument_key(),
    _time("funding_time", primary_key=True),
    _float("rate", nullable=False),
    # The archive states no mark price; it must not take away what REST stated.
    _float("mark_price", info={"merge": "known"}),
    *_lineage(),
    schema="market",
    info={"dated_by": "funding_time"},
)

Table(
    "session_return",
    METADATA,
    _instrument_key(),
    _refers("session_id", BIGINT, "market.session.session_id", primary_key=True),
    _float("open_price", nullable=False),
    _float("close_price", nullable=False),
    _float("log_return", nullable=False),
    Column("candles_present", INTEGER, nullable=False),
    Column("candles_expected", INTEGER, nullable=False),
    *_lineage(source=False, revision=False),
    _float("realised_variance"),
    _float("vwap"),
    schema="market",
    info={"dated_by": "opens_at"},
)
