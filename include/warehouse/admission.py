"""Lets in what rows name and nobody knows yet, where the venue or the declaration proves it."""

from __future__ import annotations

from psycopg import sql

from include.warehouse.catalog import row_rules
from include.warehouse.engine import Connection
from include.warehouse.resolution import reference_joins, resolved_reference
from include.warehouse.schema import LoadableTable, Reference, loadable
from include.warehouse.statements import fetch_value, statement


def admit_named(connection: Connection, table: LoadableTable) -> int:
    """Enter the instruments that staged rows name, nobody knows and their venue lists.

    Returns how many were new. It locks the venue's row only when there is one to enter.
    """
    admitted = 0
    unknown: dict[str, set[str]] = {}
    for venue, symbol, owner_id in _find_owners(connection, table):
        if venue is not None and symbol is not None and owner_id is None:
            unknown.setdefault(venue, set()).add(symbol)
    for venue, symbols in sorted(unknown.items()):
        query = sql.SQL("SELECT market.admit_listed(%(venue)s, %(symbols)s)")
        admitted += int(
            fetch_value(connection, query, {"venue": venue, "symbols": sorted(symbols)})
        )
    return admitted


def find_owners(connection: Connection, table: LoadableTable) -> list[int]:
    """Return the instruments the staged rows are of; [0] for a table whose rows are of none."""
    if _owner(table) is None:
        return [0]
    return sorted({row[2] for row in _find_owners(connection, table) if row[2] is not None})


def create_named(connection: Connection, table: LoadableTable) -> None:
    """Create the entities that staged rows name, of tables declared to grow by being named."""
    for reference in table.references:
        if reference.grows:
            _grow(connection, reference)


def _owner(table: LoadableTable) -> Reference | None:
    return next((one for one in table.references if one.target == "market.instrument"), None)


def _find_owners(
    connection: Connection, table: LoadableTable
) -> list[tuple[str | None, str | None, int | None]]:
    """Return which (venue, symbol) the staged rows name, and the instrument each means."""
    owner = _owner(table)
    if owner is None:
        return []
    names = [sql.Identifier("arrived", name) for name in owner.arrives_as]
    query = statement("market/find_owners").format(
        names=sql.SQL(", ").join(names),
        owner=resolved_reference(table, owner),
        references=reference_joins(table),
    )
    return [(venue, symbol, owner_id) for venue, symbol, owner_id in connection.execute(query)]


def _grow(connection: Connection, reference: Reference) -> None:
    target = loadable(reference.target)
    ((name, arrived),) = reference.matches
    if not isinstance(arrived, str):
        raise LookupError(f"{reference.target} has no name of its own to be created by")
    sound: list[sql.Composable] = [
        sql.SQL("({}) IS NOT FALSE").format(sql.SQL(rule.expression.replace("%", "%%")))
        for rule in row_rules(connection, target)
    ]
    schema, _, table = target.full_name.rpartition(".")
    grow = statement("market/grow_entities").format(
        target=sql.Identifier(schema, table),
        name=sql.Identifier(name),
        arrived=sql.Identifier(arrived),
        sound=sql.SQL(" AND ").join(sound or [sql.SQL("true")]),
    )
    connection.execute(grow, {})
