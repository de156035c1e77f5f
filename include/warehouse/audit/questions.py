"""Turns a check into the statements it consists of: one per table, month or foreign key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from psycopg import sql

from include.market.timeframe import CASCADE, M1
from include.warehouse.audit.checks import Check
from include.warehouse.audit.leaf import SCHEMAS, Leaf
from include.warehouse.engine import Connection
from include.warehouse.statements import statement

_SOURCES: Final = {target: source for source, target in CASCADE}


@dataclass(frozen=True, slots=True)
class Question:
    """One statement of a check. ``relation`` is where a finding of it lies."""

    check: Check
    relation: str
    query: sql.Composed
    leaf: Leaf | None = None
    values: dict[str, Any] = field(default_factory=dict)


def questions_of(
    connection: Connection, check: Check, leaves: Sequence[Leaf]
) -> Iterator[Question]:
    """Yield what ``check`` asks of the tables there are."""
    if check.scope == "database":
        query = statement(f"audit/{check.statement}").format()
        yield Question(check, "warehouse", query, values={"schemas": list(SCHEMAS)})
    elif check.scope == "rules":
        for leaf in leaves:
            yield from _rules(connection, check, leaf)
    elif check.scope == "references":
        for leaf in leaves:
            yield from _references(connection, check, leaf)
    elif check.scope == "dataset":
        yield from _datasets(check, leaves)
    else:
        for leaf in leaves:
            if leaf.from_time is not None and _concerns(check, leaf):
                yield _month(check, leaf)


def _concerns(check: Check, leaf: Leaf) -> bool:
    if check.scope == "minutes":
        return leaf.timeframe == M1
    if check.scope == "coarse":
        return leaf.timeframe in _SOURCES
    return check.scope == "month" or leaf.timeframe is not None


def _month(check: Check, leaf: Leaf) -> Question:
    names: dict[str, sql.Composable] = {"table": leaf.table, **leaf.instrument_and_time()}
    values = {
        "dataset": leaf.dataset,
        "partition": leaf.name,
        "from_time": leaf.from_time,
        "to_time": leaf.to_time,
        "length": leaf.length,
    }
    if leaf.timeframe is not None:
        values["timeframe"] = leaf.timeframe.label
        if check.scope == "coarse":
            # Read by the statement, and so part of what its answer rests on.
            values["source_dataset"] = _SOURCES[leaf.timeframe].dataset
    return Question(
        check, leaf.relation, statement(f"audit/{check.statement}").format(**names), leaf, values
    )


def _rules(connection: Connection, check: Check, leaf: Leaf) -> Iterator[Question]:
    # Those of the table as a whole count: a month could have lost its own.
    rules = connection.execute(statement("audit/list_rules"), {"table": leaf.relation}).fetchall()
    if not rules:
        return
    holds = [sql.SQL("coalesce({}, true)").format(sql.SQL(rule)) for _, rule in rules]
    broken = [
        sql.SQL("CASE WHEN NOT {} THEN {} END").format(held, sql.Literal(name))
        for held, (name, _) in zip(holds, rules, strict=True)
    ]
    query = statement(f"audit/{check.statement}").format(
        table=leaf.table,
        rules=sql.SQL(" AND ").join(holds),
        broken=sql.SQL(", ").join(broken),
        **leaf.instrument_and_time(),
    )
    yield Question(check, leaf.relation, query, leaf)


def _references(connection: Connection, check: Check, leaf: Leaf) -> Iterator[Question]:
    found = connection.execute(
        statement("audit/list_references"), {"table": leaf.relation}
    ).fetchall()
    for name, columns, schema, target, keys in found:
        pairs = list(zip(columns, keys, strict=True))
        same = sql.SQL("parent.{} = child.{}")
        query = statement(f"audit/{check.statement}").format(
            table=leaf.table,
            referred=sql.Identifier(schema, target),
            matches=sql.SQL(" AND ").join(
                same.format(sql.Identifier(key), sql.Identifier(column)) for column, key in pairs
            ),
            stated=sql.SQL(" AND ").join(
                sql.SQL("child.{} IS NOT NULL").format(sql.Identifier(column)) for column in columns
            ),
            shown=sql.SQL(", ").join(
                sql.SQL("{} || ' ' || child.{}").format(sql.Literal(key), sql.Identifier(column))
                for column, key in pairs
            ),
            **leaf.instrument_and_time("child"),
        )
        yield Question(
            check, leaf.relation, query, leaf, {"name": name, "target": f"{schema}.{target}"}
        )


def _datasets(check: Check, leaves: Sequence[Leaf]) -> Iterator[Question]:
    by_dataset = {leaf.dataset: leaf for leaf in leaves if leaf.from_time and leaf.timeframe}
    for dataset, leaf in by_dataset.items():
        query = statement(f"audit/{check.statement}").format(
            table=sql.Identifier(leaf.schema, dataset)
        )
        label = leaf.timeframe.label if leaf.timeframe else ""
        yield Question(check, leaf.relation, query, leaf, {"dataset": dataset, "timeframe": label})
