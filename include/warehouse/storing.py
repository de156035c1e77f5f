"""Fills in the statement that stores judged rows, with what it keeps and tells."""

from __future__ import annotations

from collections.abc import Iterator

from psycopg import sql

from include.warehouse.fragments import (
    COMMA,
    listed,
    merged_value,
    merged_values,
    table_name,
    values_of,
)
from include.warehouse.schema import LoadableTable
from include.warehouse.statements import statement


def merge_statement(table: LoadableTable) -> sql.Composed:
    """Return what stores the judged rows.

    Parameters: ``dataset, source, load_id, recorded_at, step``.
    """
    also = [_keep_revisions(table)] if table.revisions else []
    also += [_tell_changes(table)] if table.tells_changes else []
    stated = [name for name in table.lineage if name != "revision"]
    columns = [*table.stored, *stated]
    values = [listed(table.stored, "judged"), *(sql.Placeholder(name) for name in stated)]
    if table.revisions:
        columns.append("revision")
        values.append(sql.SQL("coalesce(withdrawn.revision, 0) + 1"))
    return statement("market/merge_rows").format(
        table=table_name(table),
        columns=listed(columns),
        judged_values=COMMA.join(values),
        numbered_on=_number_on(table) if table.revisions else sql.SQL(""),
        judged_key=listed(table.key, "judged"),
        key=listed(table.key),
        action=_action(table),
        returned=COMMA.join(_returned(table)),
        also=sql.SQL("\n").join(also),
    )


def _action(table: LoadableTable) -> sql.Composable:
    if not table.values:
        return sql.SQL("DO NOTHING")
    assignments = [
        sql.SQL("{} = {}").format(
            sql.Identifier(name), merged_value(name, table.merge_rule(name), "excluded")
        )
        for name in table.values
    ]
    assignments += [_lineage(name) for name in table.lineage]
    return sql.SQL("DO UPDATE SET {} WHERE ({}) IS DISTINCT FROM ({})").format(
        COMMA.join(assignments), values_of(table, "stored"), merged_values(table, "excluded")
    )


def _lineage(name: str) -> sql.Composed:
    match name:
        case "revision":
            value: sql.Composable = sql.SQL("stored.revision + 1")
        case "recorded_at":
            value = sql.SQL(
                "greatest(excluded.recorded_at, stored.recorded_at + interval '1 microsecond')"
            )
        case _:
            value = sql.Identifier("excluded", name)
    return sql.SQL("{} = {}").format(sql.Identifier(name), value)


def _returned(table: LoadableTable) -> Iterator[sql.Composable]:
    extra = {table.time} - {None} - set(table.key)
    for name in (*table.key, *sorted(str(name) for name in extra)):
        yield sql.Identifier("new", name)
    yield sql.SQL("{} IS NULL AS is_new").format(sql.Identifier("old", table.key[0]))
    if table.revisions:
        yield sql.SQL("new.recorded_at")
        for name in (*table.values, *table.lineage):
            yield sql.SQL("{} AS {}").format(sql.Identifier("old", name), _old(name))


def _keep_revisions(table: LoadableTable) -> sql.Composed:
    if table.revisions is None:
        raise LookupError(f"{table.full_name} keeps no revisions")
    schema, _, name = table.revisions.table.rpartition(".")
    marks, kept = table.revisions.marks, ("revision", "source", "load_id")
    old: list[sql.Composable] = [sql.Literal(mark) for mark in marks.values()]
    old += [sql.Identifier(column) for column in table.key]
    old += [_old(column) for column in (*table.values, *kept)]
    return statement("market/keep_revisions").format(
        revisions=sql.Identifier(schema, name),
        columns=listed([*marks, *table.key, *table.values, *kept]),
        old_values=COMMA.join(old),
    )


def _number_on(table: LoadableTable) -> sql.Composed:
    if table.revisions is None:
        raise LookupError(f"{table.full_name} keeps no revisions")
    return statement("market/number_on").format(
        listed_key=listed(table.key),
        revisions=sql.Identifier(*table.revisions.table.split(".")),
        of_this_table=sql.SQL(" AND ").join(
            sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(mark))
            for name, mark in table.revisions.marks.items()
        ),
        same_key=sql.SQL(" AND ").join(
            sql.SQL("{} = {}").format(
                sql.Identifier("judged", name), sql.Identifier("withdrawn", name)
            )
            for name in table.key
        ),
    )


def _tell_changes(table: LoadableTable) -> sql.Composed:
    return statement("market/tell_changes").format(time=sql.Identifier(table.time or ""))


def _old(name: str) -> sql.Identifier:
    return sql.Identifier(f"old_{name}")
