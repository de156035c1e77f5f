"""What the database says of itself, read once per session: rules of tables, ranks of sources."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from weakref import WeakKeyDictionary

from include.market.errors import InvalidInputError
from include.warehouse.clauses import RowRule
from include.warehouse.engine import Connection
from include.warehouse.schema import LoadableTable
from include.warehouse.statements import statement


@dataclass(slots=True)
class _Known:
    ranks: dict[str, int] = field(default_factory=dict)
    rules: dict[str, tuple[RowRule, ...]] = field(default_factory=dict)


_KNOWN: Final[WeakKeyDictionary[Connection, _Known]] = WeakKeyDictionary()


def source_rank(connection: Connection, source: str) -> int:
    """Return the rank of a source: of two values that differ the one of smaller rank stands.

    Raises:
        InvalidInputError: market.source does not know it.
    """
    ranks = _KNOWN.setdefault(connection, _Known()).ranks
    if source not in ranks:
        ranks.update(connection.execute("SELECT name, rank FROM market.source").fetchall())
    if source not in ranks:
        raise InvalidInputError(
            f"unknown source {source!r}: choose one of {', '.join(sorted(ranks))}, or enter it in "
            "market.source with its rank"
        )
    return ranks[source]


def row_rules(connection: Connection, table: LoadableTable) -> tuple[RowRule, ...]:
    """Return the NOT NULL and CHECK constraints that rows of ``table`` can break by themselves.

    Those that speak of columns the loader fills in are left out, and so is NOT NULL of references:
    names that mean nothing have a fate of their own.
    """
    rules = _KNOWN.setdefault(connection, _Known()).rules
    if table.full_name not in rules:
        found = connection.execute(
            statement("pg_catalog/row_constraints"), {"table": table.full_name}
        )
        rules[table.full_name] = tuple(RowRule(row[0], row[1], frozenset(row[2])) for row in found)
    stored, resolved = set(table.stored), {one.column for one in table.references}
    return tuple(
        rule
        for rule in rules[table.full_name]
        if rule.columns <= stored
        and not (rule.columns <= resolved and rule.expression.endswith(" IS NOT NULL"))
    )


def forget_rules(connection: Connection) -> None:
    """Read the rules again at their next use: a constraint was met that they did not foresee."""
    _KNOWN.pop(connection, None)
