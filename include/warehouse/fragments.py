"""Pieces of SQL that several of the loader's statements share, for one table."""

from __future__ import annotations

from collections.abc import Iterable

from psycopg import sql

from include.warehouse.schema import LoadableTable, MergeRule

COMMA = sql.SQL(", ")


def table_name(table: LoadableTable) -> sql.Identifier:
    """Return the table as an identifier."""
    return sql.Identifier(table.schema, table.name)


def listed(names: Iterable[str], owner: str | None = None) -> sql.Composed:
    """Return columns, of the relation ``owner`` where given, with commas between."""
    return COMMA.join(
        sql.Identifier(owner, name) if owner else sql.Identifier(name) for name in names
    )


def values_of(table: LoadableTable, owner: str) -> sql.Composed:
    """Return the columns of ``owner`` that decide whether a row differs from the stored one."""
    return listed(_compared(table), owner)


def merged_values(table: LoadableTable, arriving: str) -> sql.Composed:
    """Return what the values become when those of ``arriving`` meet the stored ones."""
    return COMMA.join(
        merged_value(name, table.merge_rule(name), arriving) for name in _compared(table)
    )


def merged_value(name: str, rule: MergeRule, arriving: str) -> sql.Composed:
    """Return what a value becomes by its rule when that of ``arriving`` meets the stored one."""
    new, stored = sql.Identifier(arriving, name), sql.Identifier("stored", name)
    match rule:
        case "latest":
            return sql.SQL("{}").format(new)
        case "keep":
            return sql.SQL("coalesce({}, {})").format(stored, new)
        case "known":
            return sql.SQL("coalesce({}, {})").format(new, stored)
        case _:
            return sql.SQL("{}({}, {})").format(sql.SQL(rule), stored, new)


def _compared(table: LoadableTable) -> tuple[str, ...]:
    # A table whose rows are nothing but their key still compares something: the key.
    return table.values or table.key
