"""Fills in the statements that stage and judge rows of one table, from the schema dictionary.

Nothing here is text of a row: identifiers come from ``tables.py``, rules of the table from the
database's own catalog, everything else is bound.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from psycopg import sql

from include.warehouse.fragments import COMMA, listed, merged_values, table_name, values_of
from include.warehouse.resolution import reference_joins, resolved_reference
from include.warehouse.schema import LoadableColumn, LoadableTable, Reference
from include.warehouse.statements import statement

_NOTHING = sql.SQL("")


@dataclass(frozen=True, slots=True)
class RowRule:
    """A constraint every stored row meets: its name, its expression, the columns it speaks of."""

    name: str
    expression: str
    columns: frozenset[str]


def staging_statement(table: LoadableTable) -> sql.Composed:
    """Return what makes ``pg_temp.staged_rows`` for rows of ``table``."""
    columns = (
        sql.SQL("{} {}").format(sql.Identifier(one.name), sql.SQL(one.sent_as))
        for one in table.arriving
    )
    return statement("market/create_staging").format(columns=COMMA.join(columns))


def judge_statement(
    table: LoadableTable, rules: Sequence[RowRule], *, keys_distinct: bool
) -> sql.Composed:
    """Return what makes ``pg_temp.judged_rows``; see ``judge_rows.sql``.

    Parameters: ``dataset, source, rank, observed_at, venue, symbol, span_start, span_end, step``.
    """
    weighs = "load_id" in table.lineage
    is_absent = sql.SQL("{} IS NULL").format(sql.Identifier("stored", table.key[0]))
    return statement("market/judge_rows").format(
        table=table_name(table),
        staged_values=listed(table.stored, "staged"),
        withdrawn=_withdrawn(table, is_absent),
        is_absent=is_absent,
        merged_values=merged_values(table, "staged"),
        stored_values=values_of(table, "stored"),
        standing=_standing(table) if weighs else _NOTHING,
        turn=sql.SQL("1") if keys_distinct else _turn(table),
        refusal=_refusal(table, rules),
        resolved_values=COMMA.join(_resolved(table)),
        references=reference_joins(table),
        same_key=_same_key(table),
        lineage=statement("market/weigh_lineage") if weighs else _NOTHING,
    )


def _withdrawn(table: LoadableTable, is_absent: sql.Composable) -> sql.Composable:
    """Return the fate of rows that were taken back since they were observed."""
    if table.revisions is None:
        return _NOTHING
    marks = table.revisions.marks.items()
    return statement("market/withdrawn_since").format(
        is_absent=is_absent,
        revisions=sql.Identifier(*table.revisions.table.split(".")),
        of_this_table=sql.SQL(" AND ").join(
            sql.SQL("{} = {}").format(sql.Identifier("withdrawn", name), sql.Literal(mark))
            for name, mark in marks
        ),
        same_key=sql.SQL(" AND ").join(
            sql.SQL("{} = {}").format(
                sql.Identifier("withdrawn", name), sql.Identifier("staged", name)
            )
            for name in table.key
        ),
    )


def forgive_statement(table: LoadableTable) -> sql.Composed:
    """Return what tells repeats from duplicates."""
    return statement("market/forgive_repeats").format(
        loser_key=listed(table.key, "loser"),
        winner_key=listed(table.key, "winner"),
        loser_values=values_of(table, "loser"),
        winner_values=values_of(table, "winner"),
    )


def quarantine_statement(table: LoadableTable) -> sql.Composed:
    """Return what keeps the refused rows; ``dataset, details, load_id, landing_id`` and names."""
    names = {column.name for column in table.arriving}
    fields = {
        name: sql.SQL("coalesce({}, {})").format(
            sql.Identifier("arrived", name), sql.Placeholder(name)
        )
        if name in names
        else sql.SQL("{}::text").format(sql.Placeholder(name))
        for name in ("venue", "symbol")
    }
    time = sql.Identifier("arrived", table.dated_by) if table.dated_by else sql.SQL("NULL")
    return statement("ledger/quarantine_judged").format(
        **fields, time=time, is_named=_is_named(table)
    )


def _is_named(table: LoadableTable) -> sql.Composable:
    """Return whether a staged row states every name its references need."""
    needed: dict[str, None] = {}
    for reference in table.references:
        if not reference.nullable:
            needed |= dict.fromkeys(reference.arrives_as)
            needed |= dict.fromkeys([reference.dated_by] if reference.dated_by else [])
    if not needed:
        return sql.SQL("true")
    names = [sql.Identifier("arrived", name) for name in needed]
    return sql.SQL("num_nulls({}) = 0").format(COMMA.join(names))


def _resolved(table: LoadableTable) -> Iterator[sql.Composable]:
    for reference in table.references:
        value = resolved_reference(table, reference)
        yield sql.SQL("{} AS {}").format(value, sql.Identifier(reference.column))
        if reference.nullable:
            stated = [sql.Identifier("arrived", name) for name in reference.arrives_as]
            yield sql.SQL("num_nonnulls({}) > 0 AS {}").format(
                COMMA.join(stated), _named(reference)
            )
    for column in table.columns:
        arrived = sql.Identifier("arrived", column.name)
        if column.sent_as == column.kind:
            yield arrived if column.default is None else _or_default(column)
            continue
        kind = sql.SQL(column.kind)
        yield sql.SQL(
            "CASE WHEN pg_input_is_valid({0}, {1}) THEN {0}::{2} END AS {3}, "
            "{0} IS NOT NULL AND NOT pg_input_is_valid({0}, {1}) AS {4}"
        ).format(
            arrived,
            sql.Literal(column.kind),
            kind,
            sql.Identifier(column.name),
            _unreadable(column.name),
        )
    if table.dated_by and table.dated_by not in table.stored:
        yield sql.Identifier("arrived", table.dated_by)


def _or_default(column: LoadableColumn) -> sql.Composed:
    # Not said by most rows, and by none that waited since before the column was there.
    return sql.SQL("coalesce({}, {}::{}) AS {}").format(
        sql.Identifier("arrived", column.name),
        sql.Literal(column.default),
        sql.SQL(column.kind),
        sql.Identifier(column.name),
    )


def _refusal(table: LoadableTable, rules: Sequence[RowRule]) -> sql.Composable:
    """Return the first reason not to store a row, or null: only what it says itself counts."""
    reasons: list[sql.Composable] = []
    for reference in table.references:
        missing = sql.SQL("{} IS NULL").format(sql.Identifier("resolved", reference.column))
        if reference.nullable:
            missing = sql.SQL("{} AND {}").format(missing, _named(reference))
        reasons.append(_when(missing, f"unknown_{reference.noun}"))
    if table.dated_by:
        time = sql.Identifier("resolved", table.dated_by)
        outside = sql.SQL("{0} < %(span_start)s OR {0} >= %(span_end)s").format(time)
        reasons.append(_when(outside, "outside_span"))
    for column in table.columns:
        if column.sent_as != column.kind:
            unreadable = sql.SQL("{}").format(_unreadable(column.name))
            reasons.append(_when(unreadable, f"{column.name}_unreadable"))
    for rule in rules:
        broken = sql.SQL("({}) IS FALSE").format(sql.SQL(rule.expression.replace("%", "%%")))
        reasons.append(_when(broken, rule.name))
    if not reasons:
        return sql.SQL("NULL::text")
    return sql.SQL("CASE {} END").format(sql.SQL(" ").join(reasons))


def _when(condition: sql.Composable, fate: str) -> sql.Composed:
    return sql.SQL("WHEN {} THEN {}").format(condition, sql.Literal(fate))


def _named(reference: Reference) -> sql.Identifier:
    return sql.Identifier(f"{reference.column} is named")


def _unreadable(column: str) -> sql.Identifier:
    return sql.Identifier(f"{column} is unreadable")


def _turn(table: LoadableTable) -> sql.Composed:
    # A row that is refused for itself displaces no other.
    return sql.SQL(
        "row_number() OVER (PARTITION BY {}, sound.refusal IS NULL ORDER BY sound.position DESC)"
    ).format(listed(table.key, "sound"))


def _same_key(table: LoadableTable) -> sql.Composed:
    parts: list[sql.Composable] = [
        sql.SQL("{} = {}").format(sql.Identifier("staged", name), sql.Identifier("stored", name))
        for name in table.key
    ]
    if table.time:
        # Said of the table itself, so that other months are not even planned for.
        time = sql.Identifier("stored", table.time)
        parts.append(sql.SQL("{0} >= %(span_start)s AND {0} < %(span_end)s").format(time))
    return sql.SQL(" AND ").join(parts)


def _standing(table: LoadableTable) -> sql.Composed:
    """Return the fates of rows that differ from a stored one which is to stay.

    Whose the stored one is, is looked up for these rows alone: most rows are new or the same.
    """
    whose = (
        "EXISTS (SELECT FROM ledger.load AS load LEFT JOIN market.source AS way "
        "ON load.source = way.name WHERE load.load_id = stored.load_id AND {})"
    )
    outranked: sql.Composable = sql.SQL(whose.format("way.rank < %(rank)s"))
    superseded: sql.Composable = sql.SQL(
        whose.format(
            "coalesce(way.rank, %(rank)s) = %(rank)s "
            "AND load.observed_at > %(observed_at)s::timestamptz"
        )
    )
    if table.time:
        time = sql.Identifier("staged", table.time)
        outranked = sql.SQL("{} OR confirmed.outranking @> {}").format(outranked, time)
        superseded = sql.SQL("{} OR confirmed.superseding @> {}").format(superseded, time)
    parts = [_when(outranked, "outranked"), _when(superseded, "superseded")]
    return sql.SQL(" ").join(parts)
