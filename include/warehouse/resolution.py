"""Joins that resolve the names of staged rows, each at the row's own time."""

from __future__ import annotations

from collections.abc import Iterator

from psycopg import sql

from include.warehouse.schema import LoadableTable, Reference
from include.warehouse.tables import METADATA


def reference_joins(table: LoadableTable) -> sql.Composed:
    """Return the joins that resolve the references of ``pg_temp.staged_rows AS arrived``."""
    joins = [
        join
        for number, reference in enumerate(table.references)
        for join in _joins(reference, f"reference_{number}")
    ]
    return sql.SQL("\n").join(joins)


def resolved_reference(table: LoadableTable, reference: Reference) -> sql.Composed:
    """Return the foreign key a staged row stands for: as given, or as its names resolve."""
    number = table.references.index(reference)
    return sql.SQL("coalesce({}, {})").format(
        sql.Identifier("arrived", reference.column),
        sql.Identifier(f"reference_{number}", reference.gives),
    )


def _joins(reference: Reference, name: str) -> Iterator[sql.Composed]:
    conditions = []
    for column, match in reference.matches:
        if isinstance(match, Reference):
            yield from _joins(match, f"{name}_{column}")
            wanted: sql.Composable = sql.Identifier(f"{name}_{column}", match.gives)
        else:
            wanted = _spelled(reference, column, match, name)
        conditions.append(sql.SQL("{} = {}").format(sql.Identifier(name, column), wanted))
    if reference.valid_during and reference.dated_by:
        conditions.append(
            sql.SQL("{} @> {}").format(
                sql.Identifier(name, reference.valid_during),
                sql.Identifier("arrived", reference.dated_by),
            )
        )
    schema, _, via = reference.via.rpartition(".")
    yield sql.SQL("LEFT JOIN {} AS {} ON {}").format(
        sql.Identifier(schema, via), sql.Identifier(name), sql.SQL(" AND ").join(conditions)
    )


def _spelled(reference: Reference, column: str, match: str, name: str) -> sql.Composable:
    """Return an arriving name as its venue spells names."""
    arrived = sql.Identifier("arrived", match)
    if reference.cased is None or reference.cased[0] != column:
        return arrived
    rule = reference.cased[1]
    owners = (
        f"{name}_{nested}"
        for nested, other in reference.matches
        if isinstance(other, Reference) and rule in METADATA.tables[other.via].columns
    )
    return sql.SQL("market.spell({}, {})").format(arrived, sql.Identifier(next(owners), rule))
