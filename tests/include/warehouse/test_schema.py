"""The declared tables are the migrated ones, and the dictionary says of them what it should."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    MetaData,
    Table,
    create_engine,
    inspect,
)
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION, INTEGER, NUMERIC, TEXT

from include.market.errors import InvalidInputError
from include.warehouse.schema import kind_of, loadable
from include.warehouse.tables import METADATA

# What the loader has no use for: receipts are read, not loaded.
PARTLY_DECLARED = ("ledger.load",)
WHOLE = sorted(set(METADATA.tables) - set(PARTLY_DECLARED))


@pytest.fixture
def engine(warehouse_dsn: str) -> Iterator[Engine]:
    engine = create_engine(warehouse_dsn.replace("postgresql://", "postgresql+psycopg://"))
    yield engine
    engine.dispose()


def shape(table: Table) -> dict[str, Any]:
    return {
        "columns": {
            column.name: (
                kind_of(column),
                bool(column.nullable),
                column.identity is not None,
                column.server_default is not None,
            )
            for column in table.columns
        },
        "key": [column.name for column in table.primary_key],
        "refers": {
            (key.parent.name, key.column.table.fullname, key.column.name)
            for key in table.foreign_keys
        },
    }


def test_every_declared_table_is_the_one_the_migrations_made(engine: Engine) -> None:
    found = MetaData()
    found.reflect(engine, schema="market")
    found.reflect(engine, schema="ledger", only=["load"])
    assert len(WHOLE) >= 12
    for name in WHOLE:
        assert shape(METADATA.tables[name]) == shape(found.tables[name]), name
    load = shape(METADATA.tables["ledger.load"])["columns"]
    assert load.items() <= shape(found.tables["ledger.load"])["columns"].items()


def test_a_key_that_is_not_the_primary_one_is_unique(engine: Engine) -> None:
    inspector = inspect(engine)
    named = {
        name: table.info["key"] for name, table in METADATA.tables.items() if "key" in table.info
    }
    assert named
    for name, key in named.items():
        schema, _, table = name.rpartition(".")
        rules = inspector.get_unique_constraints(table, schema=schema)
        assert list(key) in [rule["column_names"] for rule in rules], name


def test_the_words_about_a_table_speak_of_columns_there_are(engine: Engine) -> None:
    inspector = inspect(engine)
    for name, table in METADATA.tables.items():
        if lookup := table.info.get("found_by"):
            via = METADATA.tables[lookup.table]
            assert {*lookup.columns, lookup.gives, lookup.valid_during} <= set(via.columns.keys())
        if revisions := table.info.get("revisions"):
            schema, _, kept = revisions.table.rpartition(".")
            columns = {column["name"] for column in inspector.get_columns(kept, schema=schema)}
            known = loadable(name)
            assert {*revisions.marks, *known.key, *known.values, "recorded_during"} <= columns


def test_what_rows_arrive_with_follows_from_the_references() -> None:
    names = {
        name: [column.name for column in loadable(f"market.{name}").arriving]
        for name in ("candle_1m", "session", "session_return", "trade", "venue")
    }
    assert names["candle_1m"][:4] == ["venue", "symbol", "instrument_id", "open_time"]
    assert names["session"] == ["venue", "venue_id", "opens_at", "closes_at"]
    assert names["session_return"][:5] == [
        "venue", "symbol", "opens_at", "instrument_id", "session_id",
    ]  # fmt: skip
    assert names["trade"][3:] == ["trade_time", "trade_id", "price", "quantity", "buyer_is_maker"]
    assert names["venue"] == ["name", "title", "kind", "session_calendar", "symbol_case"]


def test_an_instrument_is_looked_up_by_the_name_it_had_at_the_time_of_the_row() -> None:
    [reference] = loadable("market.trade").references
    assert (reference.via, reference.gives) == ("market.instrument_alias", "instrument_id")
    assert (reference.valid_during, reference.dated_by) == ("valid_during", "trade_time")
    assert reference.arrives_as == ("venue", "symbol")
    assert reference.cased == ("symbol", "symbol_case")
    assert (reference.noun, reference.grows) == ("instrument", False)


def test_what_can_be_told_and_kept_of_a_table() -> None:
    told = {
        name: loadable(f"market.{name}")
        for name in ("candle_5m", "trade", "funding_rate", "session_return", "asset")
    }
    assert [table.tells_changes for table in told.values()] == [True, True, True, False, False]
    assert [table.time for table in told.values()] == [
        "open_time", "trade_time", "funding_time", None, None,
    ]  # fmt: skip
    assert [table.revisions is not None for table in told.values()] == [True] + [False] * 4
    assert told["funding_rate"].merge_rule("mark_price") == "known"
    assert told["funding_rate"].merge_rule("rate") == "latest"
    assert told["asset"].values == ()


def test_rows_that_lack_columns_speak_only_of_those_they_bring() -> None:
    funding = loadable("market.funding_rate").only({"funding_time", "rate", "venue"})
    assert funding.stored == ("instrument_id", "funding_time", "rate")
    assert funding.values == ("rate",)


def test_types_without_a_binary_form_of_ours_are_staged_as_text() -> None:
    metadata = METADATA
    table = Table(
        "step_size",
        metadata,
        Column("name", TEXT, primary_key=True),
        Column("step", NUMERIC, nullable=False),
        schema="market",
    )
    try:
        assert [column.sent_as for column in loadable(table).columns] == ["text", "text"]
        assert loadable(table).columns[1].kind == "numeric"
    finally:
        metadata.remove(table)


def declare(*columns: Column[Any], **info: Any) -> Table:
    return Table("odd", MetaData(), *columns, schema="market", info=info)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            declare(Column("value", DOUBLE_PRECISION, primary_key=True), dated_by="when"),
            "market.odd is dated by when, which no row brings",
        ),
        (
            declare(Column("position", INTEGER, primary_key=True, autoincrement=False)),
            r"needs the names \['position'\]",
        ),
        (
            declare(Column("value", INTEGER, primary_key=True, info={"merge": "newest"})),
            "merge rule 'newest': choose from latest, keep, known, greatest, least",
        ),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(table: Table, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        loadable(table)


def test_a_name_that_holds_for_a_time_needs_the_time_of_the_row() -> None:
    table = Table(
        "undated",
        METADATA,
        Column(
            "instrument_id",
            INTEGER,
            ForeignKey("market.instrument.instrument_id"),
            primary_key=True,
        ),
        schema="market",
    )
    try:
        with pytest.raises(InvalidInputError, match=r"undated\.instrument_id means something at a"):
            loadable(table)
    finally:
        METADATA.remove(table)
