"""Gives a column of a partitioned table another place, without touching a row.

A column can only be added at the end, where it may cost padding in every row, and where months that
are built apart and get their last column when they are attached would have it elsewhere. So the
parent is made anew with its columns in order, and its months change over. Months that are there
already keep their own order, which PostgreSQL allows.
"""

from __future__ import annotations

from typing import Any, Final

from alembic import op
from sqlalchemy import text

_COPIED: Final = "INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING COMMENTS"


def place_before(table: str, column: str, next_column: str) -> None:
    """Make ``market.<table>`` anew with ``column`` before ``next_column`` and all after it.

    Nothing may depend on the table but its partitions; drop views before and create them after.
    """
    names = [name for (name,) in _rows(_COLUMNS, table=table)]
    tail = names[names.index(next_column) :]
    tail.remove(column)
    keys = _rows(_KEYS, table=table)
    months = _rows(_MONTHS, table=table)
    [(meaning, partitioned)] = _rows(_ABOUT, table=table)
    former = f"{table}_former"
    # Indexes share their names with tables, so the key's has to make room.
    op.execute(f"ALTER TABLE market.{table} RENAME CONSTRAINT {table}_pkey TO {former}_pkey")
    op.execute(f"ALTER TABLE market.{table} RENAME TO {former}")
    for part, dropped in (("head", tail), ("tail", [one for one in names if one not in tail])):
        op.execute(f"CREATE TABLE market.{table}_{part} (LIKE market.{former} {_COPIED})")
        drops = ", ".join(f"DROP COLUMN {name}" for name in dropped)
        op.execute(f"ALTER TABLE market.{table}_{part} {drops}")
    op.execute(
        f"CREATE TABLE market.{table} (LIKE market.{table}_head {_COPIED}, "
        f"LIKE market.{table}_tail {_COPIED}) PARTITION BY {partitioned}"
    )
    for name, definition in keys:
        op.execute(f"ALTER TABLE market.{table} ADD CONSTRAINT {name} {definition}")
    for name, bounds in months:
        op.execute(f"ALTER TABLE market.{former} DETACH PARTITION market.{name}")
        # The times of the bounds are no bound values of a statement.
        escaped = bounds.replace(":", "\\:")
        op.execute(f"ALTER TABLE market.{table} ATTACH PARTITION market.{name} {escaped}")
    quoted = meaning.replace("'", "''").replace(":", "\\:")
    op.execute(f"COMMENT ON TABLE market.{table} IS '{quoted}'")
    for part in ("head", "tail", "former"):
        op.execute(f"DROP TABLE market.{table}_{part}")


def keep_definitions(view: str, function: str) -> list[str]:
    """Return the statements that create a view and a function again as they are, comments too."""
    bind = op.get_bind()
    kept: list[str] = []
    for query, name in ((_VIEW, view), (_FUNCTION, function)):
        kept += [row[0] for row in bind.execute(text(query), {"name": name}) if row[0]]
    return kept


def recreate(statements: list[str]) -> None:
    """Run what ``keep_definitions`` returned."""
    for statement in statements:
        op.get_bind().exec_driver_sql(statement)


_COLUMNS: Final = """
    SELECT attname FROM pg_attribute
    WHERE attrelid = CAST('market.' || :table AS regclass) AND attnum > 0 AND NOT attisdropped
    ORDER BY attnum
"""
_KEYS: Final = """
    SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE conrelid = CAST('market.' || :table AS regclass) AND contype IN ('p', 'f')
    ORDER BY contype DESC, conname
"""
_MONTHS: Final = """
    SELECT relname, pg_get_expr(relpartbound, pg_class.oid) FROM pg_inherits
    JOIN pg_class ON pg_class.oid = inhrelid
    WHERE inhparent = CAST('market.' || :table AS regclass)
    ORDER BY relname
"""
_ABOUT: Final = """
    SELECT obj_description(CAST('market.' || :table AS regclass), 'pg_class'),
        pg_get_partkeydef(CAST('market.' || :table AS regclass))
"""
_VIEW: Final = """
    SELECT format('CREATE VIEW %s AS %s', CAST(:name AS text),
        pg_get_viewdef(CAST(:name AS regclass)))
    UNION ALL
    SELECT format('COMMENT ON VIEW %s IS %L', CAST(:name AS text),
        obj_description(CAST(:name AS regclass), 'pg_class'))
    UNION ALL
    SELECT format('COMMENT ON COLUMN %s.%I IS %L', CAST(:name AS text),
        attname, col_description(attrelid, attnum))
    FROM pg_attribute WHERE attrelid = CAST(:name AS regclass) AND attnum > 0
"""
_FUNCTION: Final = """
    SELECT pg_get_functiondef(CAST(:name AS regprocedure))
    UNION ALL
    SELECT format('COMMENT ON FUNCTION %s IS %L', CAST(:name AS text),
        obj_description(CAST(:name AS regprocedure), 'pg_proc'))
"""


def _rows(query: str, **values: str) -> list[Any]:
    return list(op.get_bind().execute(text(query), values))
