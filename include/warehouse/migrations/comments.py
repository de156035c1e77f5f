"""Writes the COMMENTs the data dictionary is made of."""

from __future__ import annotations

from alembic import op


def comment(kind: str, name: str, text: str) -> None:
    """Comment the object ``name`` of ``kind`` (``SCHEMA``, ``VIEW``, ``FUNCTION`` …)."""
    op.execute(f"COMMENT ON {kind} {name} IS {_quoted(text)}")


def comment_table(name: str, text: str, columns: dict[str, str], *, kind: str = "TABLE") -> None:
    """Comment a table or view ``schema.name`` and its columns."""
    comment(kind, name, text)
    for column, meaning in columns.items():
        comment("COLUMN", f'{name}."{column}"', meaning)


def _quoted(text: str) -> str:
    # A colon before a word would be read as a bound value by SQLAlchemy.
    return "'" + text.replace("'", "''").replace(":", "\\:") + "'"
