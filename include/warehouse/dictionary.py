"""Renders the data dictionary from the COMMENTs of a live warehouse.

``WAREHOUSE_URL=… python -m include.warehouse.dictionary docs/data-dictionary.md`` writes the page.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from psycopg.rows import TupleRow

from include.market.errors import InvalidInputError
from include.warehouse.engine import Connection, connect
from include.warehouse.statements import statement

SCHEMAS: Final = ("market", "ledger", "model", "report", "nursery")
_INTRODUCTION: Final = """\
# Data dictionary

Made from the comments of the database by `python -m include.warehouse.dictionary`; a test compares
this page with a freshly migrated warehouse. All times are UTC, all spans half-open.
"""


def render_dictionary(connection: Connection) -> str:
    """Return the Markdown page of every schema, table, view, function and type of ours.

    Monthly partitions are left out: they are their parent's.
    """
    parts = [_INTRODUCTION]
    for schema, meaning in _rows(connection, "describe_schemas"):
        parts.append(f"## Schema `{schema}`\n\n{meaning}\n")
        relations = _rows(connection, "describe_relations", schema=schema)
        parts.extend(_render_relation(connection, row) for row in relations)
        parts.extend(_render_others(connection, schema))
    return "\n".join(parts)


def list_undocumented(connection: Connection) -> list[str]:
    """Return the names of our schemas, relations, columns, functions and types without comment."""
    return [row[0] for row in _rows(connection, "list_undocumented")]


def main(arguments: Sequence[str]) -> None:
    """Write the page to the path given.

    Raises:
        InvalidInputError: no path, or ``WAREHOUSE_URL`` is not set.
    """
    dsn = os.environ.get("WAREHOUSE_URL")
    if len(arguments) != 1 or not dsn:
        raise InvalidInputError(
            "usage: WAREHOUSE_URL=postgresql://… python -m include.warehouse.dictionary PATH"
        )
    with connect(dsn, application="candlewick dictionary") as connection:
        Path(arguments[0]).write_text(render_dictionary(connection), encoding="utf-8")


def _render_relation(connection: Connection, row: TupleRow) -> str:
    relation_id, name, kind, meaning = row
    lines = [f"### {kind} `{name}`", "", meaning, ""]
    lines += ["| column | type | null | meaning |", "|---|---|---|---|"]
    lines += [
        f"| `{column}` | {_cell(data_type)} | {'yes' if nullable else 'no'} | {_cell(comment)} |"
        for column, data_type, nullable, comment in _rows(
            connection, "describe_columns", relation_id=relation_id
        )
    ]
    rules = [
        f"- `{rule}`: `{definition}`"
        for rule, definition in _rows(connection, "describe_rules", relation_id=relation_id)
    ]
    if rules:
        lines += ["", *rules]
    return "\n".join([*lines, ""])


def _render_others(connection: Connection, schema: str) -> Iterator[str]:
    for name, kind, meaning in _rows(connection, "describe_routines", schema=schema):
        yield f"### {kind} `{name}`\n\n{meaning}\n"


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|")


def _rows(connection: Connection, name: str, **parameters: object) -> list[TupleRow]:
    return connection.execute(
        statement(f"pg_catalog/{name}"), {"schemas": list(SCHEMAS)} | parameters
    ).fetchall()


if __name__ == "__main__":
    main(sys.argv[1:])
