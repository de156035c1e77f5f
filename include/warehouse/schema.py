"""The schema dictionary: what the loader has to know of a table, derived from its declaration.

A row arrives under natural keys and is stored under surrogate ones. Which columns it arrives with
follows from the foreign keys: a reference to a table with a key of one column arrives under the
reference's own name without ``_id`` (``base_asset_id`` as ``base_asset``); one to a table with a
longer key, or found by a ``Lookup``, arrives as these names, each resolved in turn
(``instrument_id`` as ``venue`` and ``symbol``). Names that several references share are stated
once: a session and an instrument of one row are of the same venue.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, get_args

from sqlalchemy import Column, DefaultClause, Dialect, Table
from sqlalchemy.dialects.postgresql.base import PGDialect

from include.market.errors import InvalidInputError
from include.warehouse.tables import METADATA, Lookup, Revisions

MergeRule = Literal["latest", "keep", "known", "greatest", "least"]
"""What a stored value becomes when another arrives.

``latest`` is the value that arrives, ``keep`` the first one known, ``known`` the one that arrives
unless it is null, ``greatest`` and ``least`` the larger and the smaller of the two.
"""
LINEAGE: Final = ("source", "revision", "load_id", "recorded_at")
RESERVED: Final = ("position", "fate", "refusal", "turn")
_SENT_AS_THEY_ARE: Final = (
    "smallint",
    "integer",
    "bigint",
    "double precision",
    "boolean",
    "text",
    "timestamp with time zone",
)


@dataclass(frozen=True, slots=True)
class LoadableColumn:
    """A stored column that rows bring themselves; ``kind`` is its PostgreSQL type.

    ``default`` is what a row means that does not state it, as SQL reads it.
    """

    name: str
    kind: str
    nullable: bool
    merge: MergeRule = "latest"
    default: str | None = None

    @property
    def has_default(self) -> bool:
        """Whether the database knows what an absent value means."""
        return self.default is not None

    @property
    def sent_as(self) -> str:
        """Type it is staged in; types without a binary form of ours are staged as text."""
        return self.kind if self.kind in _SENT_AS_THEY_ARE else "text"


@dataclass(frozen=True, slots=True)
class Reference:
    """How the names a row arrives with become one stored foreign key.

    ``matches`` pairs the columns of ``via`` with an arriving name, or with a reference that has to
    be resolved before. ``dated_by`` is the arriving column whose instant must lie in
    ``valid_during``. ``cased`` is a column of ``via`` and the column, beside the key of a nested
    reference, that says how it is spelled. ``grows`` marks entities created by being named.
    """

    column: str
    kind: str
    nullable: bool
    target: str
    via: str
    gives: str
    matches: tuple[tuple[str, str | Reference], ...]
    valid_during: str | None = None
    dated_by: str | None = None
    cased: tuple[str, str] | None = None
    grows: bool = False

    @property
    def noun(self) -> str:
        """What is referred to, as people call it."""
        return self.target.rpartition(".")[2]

    @property
    def arrives_as(self) -> tuple[str, ...]:
        """Names that lead to it, nested ones first where they stand first."""
        names: list[str] = []
        for _, match in self.matches:
            names += [match] if isinstance(match, str) else match.arrives_as
        return tuple(dict.fromkeys(names))


@dataclass(frozen=True, slots=True)
class LoadableTable:
    """Everything the loader knows of one table."""

    schema: str
    name: str
    key: tuple[str, ...]
    columns: tuple[LoadableColumn, ...]
    references: tuple[Reference, ...]
    arriving: tuple[LoadableColumn, ...]
    lineage: tuple[str, ...]
    dated_by: str | None
    step: str | None
    revisions: Revisions | None

    @property
    def full_name(self) -> str:
        """``schema.table``."""
        return f"{self.schema}.{self.name}"

    @property
    def stored(self) -> tuple[str, ...]:
        """Every stored column that a row decides, references first."""
        return (*(one.column for one in self.references), *(one.name for one in self.columns))

    @property
    def values(self) -> tuple[str, ...]:
        """The stored columns that are not part of the key."""
        return tuple(name for name in self.stored if name not in self.key)

    @property
    def time(self) -> str | None:
        """The stored column of a row's own time, if it has one."""
        return self.dated_by if self.dated_by in self.stored else None

    @property
    def tells_changes(self) -> bool:
        """Whether its changes can be written down as spans of an instrument."""
        return "instrument_id" in self.key and self.time is not None and "load_id" in self.lineage

    def only(self, names: Collection[str]) -> LoadableTable:
        """Return the table as rows speak of it that bring nothing but ``names``."""
        spoken = tuple(one for one in self.columns if one.name in names or one.name in self.key)
        return replace(self, columns=spoken)

    def merge_rule(self, name: str) -> MergeRule:
        """Return the rule of a stored column; references follow the latest row."""
        return next((one.merge for one in self.columns if one.name == name), "latest")


def loadable(name: str | Table) -> LoadableTable:
    """Return what is known of a declared table, e.g. ``market.trade``, or of a declaration itself.

    Raises:
        InvalidInputError: no such table is declared, other code writes it, or its declaration
            contradicts itself.
    """
    table = METADATA.tables.get(name) if isinstance(name, str) else name
    if table is None:
        known = ", ".join(sorted(METADATA.tables))
        raise InvalidInputError(f"{name} is not declared in tables.py: choose one of {known}")
    if "loaded_by" in table.info:
        raise InvalidInputError(
            f"{table.fullname} is not loaded by rows: {table.info['loaded_by']}"
        )
    references = tuple(_references(table))
    columns = tuple(_own_columns(table))
    arriving = _arriving(table, columns, references)
    _require_sense(table, columns, arriving)
    return LoadableTable(
        schema=table.schema or "public",
        name=table.name,
        key=_key(table),
        columns=columns,
        references=references,
        arriving=arriving,
        lineage=tuple(name for name in LINEAGE if name in table.columns),
        dated_by=table.info.get("dated_by"),
        step=table.info.get("step"),
        revisions=table.info.get("revisions"),
    )


def _key(table: Table) -> tuple[str, ...]:
    named: tuple[str, ...] | None = table.info.get("key")
    return named or tuple(column.name for column in table.primary_key)


def _own_columns(table: Table) -> Iterator[LoadableColumn]:
    for column in table.columns:
        if column.identity is None and not column.foreign_keys and column.name not in LINEAGE:
            rule = column.info.get("merge", "latest")
            default = column.server_default
            yield LoadableColumn(
                column.name,
                kind_of(column),
                bool(column.nullable),
                rule,
                str(default.arg) if isinstance(default, DefaultClause) else None,
            )


def _references(table: Table) -> Iterator[Reference]:
    for column in table.columns:
        if column.foreign_keys and column.name not in LINEAGE:
            yield _reference(column, table.info.get("dated_by"))


def _reference(column: Column[Any], dated_by: str | None) -> Reference:
    (foreign_key,) = column.foreign_keys
    target = foreign_key.column.table
    lookup: Lookup | None = target.info.get("found_by")
    via = target if lookup is None else METADATA.tables[lookup.table]
    names = _key(target) if lookup is None else lookup.columns
    stem = column.name.removesuffix("_id")
    matches = tuple(
        (
            name,
            _reference(via.columns[name], None)
            if via.columns[name].foreign_keys
            else (stem if len(names) == 1 else name),
        )
        for name in names
    )
    valid_during = None if lookup is None else lookup.valid_during
    if valid_during is not None and dated_by is None:
        raise InvalidInputError(
            f"{column.table.fullname}.{column.name} means something at a time: say which column "
            "dates the row (info dated_by)"
        )
    return Reference(
        column=column.name,
        kind=kind_of(column),
        nullable=bool(column.nullable),
        target=target.fullname,
        via=via.fullname,
        gives=foreign_key.column.name if lookup is None else lookup.gives,
        matches=matches,
        valid_during=valid_during,
        dated_by=dated_by if valid_during else None,
        cased=None if lookup is None else lookup.cased_by,
        grows=bool(target.info.get("grows")),
    )


def _arriving(
    table: Table, columns: tuple[LoadableColumn, ...], references: tuple[Reference, ...]
) -> tuple[LoadableColumn, ...]:
    """Return what a row may bring: names, foreign keys that are known already, own columns."""
    found: dict[str, LoadableColumn] = {}
    for reference in references:
        for name, kind in _names_of(reference):
            found.setdefault(name, LoadableColumn(name, kind, nullable=True))
    for reference in references:
        found[reference.column] = LoadableColumn(reference.column, reference.kind, nullable=True)
    found |= {column.name: column for column in columns}
    return tuple(found.values())


def _names_of(reference: Reference) -> Iterator[tuple[str, str]]:
    via = METADATA.tables[reference.via]
    for column, match in reference.matches:
        if isinstance(match, Reference):
            yield from _names_of(match)
        else:
            yield match, kind_of(via.columns[column])


def _require_sense(
    table: Table, columns: tuple[LoadableColumn, ...], arriving: tuple[LoadableColumn, ...]
) -> None:
    names = {column.name for column in arriving}
    dated_by = table.info.get("dated_by")
    if dated_by is not None and dated_by not in names:
        raise InvalidInputError(f"{table.fullname} is dated by {dated_by}, which no row brings")
    if taken := names & set(RESERVED):
        raise InvalidInputError(f"{table.fullname}: the loader needs the names {sorted(taken)}")
    for column in columns:
        if column.merge not in get_args(MergeRule):
            rules = ", ".join(get_args(MergeRule))
            raise InvalidInputError(
                f"{table.fullname}.{column.name}: merge rule {column.merge!r}: choose from {rules}"
            )


def kind_of(column: Column[Any]) -> str:
    """Return the PostgreSQL type of a column, as ``format_type`` writes it."""
    dialect: Dialect = PGDialect()  # type: ignore[no-untyped-call]
    return str(column.type.compile(dialect=dialect)).lower()
