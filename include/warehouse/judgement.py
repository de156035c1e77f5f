"""The one way rows enter a table: judge every staged row, keep what it replaces, count.

Runs in the caller's transaction, on rows that were copied to ``pg_temp.staged_rows``. Every row
gets exactly one fate, so the counts of a load always add up:

==================  ====================================================  ===========
fate                meaning                                               counted as
==================  ====================================================  ===========
new                 no row was stored under this key                      inserted
revised             other values were stored                              updated
same                equal values are stored                               unchanged
repeat              equal to a later row of the same batch                unchanged
duplicate_key       a later row of the batch has other values             quarantined
superseded          a newer observation differs, or took the row back     quarantined
outranked           a source of higher rank stated other values           quarantined
unknown_<thing>     its names meant nothing at the row's time             quarantined
outside_span        the row lies outside the span the batch speaks for    quarantined
<column>_unreadable the text of the column is no value of its type        quarantined
<constraint>        a constraint of the table refuses the row             quarantined
==================  ====================================================  ===========
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg import errors

from include.market.errors import RetryableError
from include.market.span import Span
from include.warehouse.admission import admit_named
from include.warehouse.catalog import forget_rules, row_rules, source_rank
from include.warehouse.clauses import (
    RowRule,
    forgive_statement,
    judge_statement,
    quarantine_statement,
)
from include.warehouse.engine import Connection
from include.warehouse.schema import LoadableTable
from include.warehouse.statements import statement
from include.warehouse.storing import merge_statement

_UNKNOWN: Final = "unknown_instrument"
ACCEPTED_FATES: Final = ("new", "revised", "same", "repeat")
_DETAILS: Final = {
    _UNKNOWN: "no instrument of the venue had the symbol $symbol at this time",
    "outside_span": "the batch speaks for another span",
    "duplicate_key": "a later row of the batch has other values for this key",
    "superseded": "a newer observation with other values is stored, or took the row back",
    "outranked": "a source of higher rank states other values",
}


@dataclass(frozen=True, slots=True)
class LoadReceipt:
    """What became of the rows handed in; they add up. ``load_id`` is None for an empty merge.

    ``withdrawn`` counts stored rows that were taken away because nothing is left of them.
    """

    load_id: int | None
    inserted: int
    updated: int
    unchanged: int
    quarantined: int
    withdrawn: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of staged rows as a whole; ``merge.Batch`` says what each field means.

    ``refused`` counts rows that could not even be staged; whoever refused them keeps them.
    """

    span: Span
    source: str
    run_id: str
    rows: int
    observed_at: datetime | None = None
    venue: str | None = None
    symbol: str | None = None
    landing_id: int | None = None
    payload_sha256: str | None = None
    fencing_token: int | None = None
    already_same: int = 0
    keys_distinct: bool = False
    constraints_hold: bool = False
    refused: int = 0


def merge_told(connection: Connection, table: LoadableTable, told: Told) -> LoadReceipt:
    """Move the staged rows into their table, with revisions, receipt and changes.

    The caller holds the series' locks. Without rows only the receipt is written, and nothing need
    be staged. Symbols that mean nothing yet and that the venue is known to list are let in first;
    writers of such a series meet at the lock of its venue.

    Raises:
        InvalidInputError: market.source does not know the source.
        RetryableError: somebody wrote these rows without the lock meanwhile.
    """
    rank = source_rank(connection, told.source)
    values = _parameters(table, told) | {"rank": rank}
    rules = () if told.constraints_hold else row_rules(connection, table)
    fates = _judge(connection, table, rules, values, told) if told.rows else {}
    if _UNKNOWN in fates and admit_named(connection, table):
        connection.execute("DROP TABLE pg_temp.judged_rows")
        fates = _judge(connection, table, rules, values, told)
    refused = sum(count for fate, count in fates.items() if fate not in ACCEPTED_FATES)
    inserted, updated = fates.get("new", 0), fates.get("revised", 0)
    unchanged = fates.get("same", 0) + fates.get("repeat", 0) + told.already_same
    values |= {
        # A repeat is a word on its own key again, not on another.
        "rows_accepted": inserted + updated + unchanged - fates.get("repeat", 0),
        "rows_in": told.rows + told.already_same + told.refused,
        "rows_inserted": inserted,
        "rows_updated": updated,
        "rows_unchanged": unchanged,
        "rows_quarantined": refused + told.refused,
    }
    row = connection.execute(statement("ledger/write_load"), values).fetchone()
    load_id, recorded_at = row if row is not None else (None, None)
    values |= {"load_id": load_id, "recorded_at": recorded_at}
    if refused:
        details = json.dumps(_details(table, rules))
        connection.execute(quarantine_statement(table), values | {"details": details})
    if inserted or updated:
        _store(connection, table, values)
    connection.execute("DROP TABLE IF EXISTS pg_temp.staged_rows, pg_temp.judged_rows")
    return LoadReceipt(load_id, inserted, updated, unchanged, refused + told.refused)


def lock_series(connection: Connection, dataset: str, instrument_ids: Sequence[int]) -> None:
    """Keep other writers of these series waiting until the transaction ends."""
    connection.execute(
        statement("ledger/lock_series"),
        {"dataset": dataset, "instrument_ids": sorted(instrument_ids)},
    )


def _parameters(table: LoadableTable, told: Told) -> dict[str, Any]:
    return {
        "dataset": table.name,
        "venue": told.venue,
        "symbol": told.symbol,
        "source": told.source,
        "run_id": told.run_id,
        "span_start": told.span.start_time,
        "span_end": told.span.end_time,
        "payload_sha256": told.payload_sha256,
        "fencing_token": told.fencing_token,
        "observed_at": told.observed_at,
        "landing_id": told.landing_id,
        "step": table.step,
    }


def _judge(
    connection: Connection,
    table: LoadableTable,
    rules: Sequence[RowRule],
    values: Mapping[str, Any],
    told: Told,
) -> dict[str, int]:
    judge = judge_statement(table, rules, keys_distinct=told.keys_distinct)
    connection.execute(judge, values)
    fates = dict(connection.execute(statement("market/count_fates")).fetchall())
    if "duplicate_key" in fates:
        repeats = connection.execute(forgive_statement(table)).rowcount
        fates["repeat"] = repeats
        fates["duplicate_key"] -= repeats
    return fates


def _store(connection: Connection, table: LoadableTable, values: Mapping[str, Any]) -> None:
    try:
        stored = connection.execute(merge_statement(table), values).fetchone()
    except errors.IntegrityError:
        # A rule nobody foresaw: the next try reads them again.
        forget_rules(connection)
        raise
    if stored != (values["rows_inserted"], values["rows_updated"]):
        raise RetryableError(
            f"load {values['load_id']} of {table.name}: expected "
            f"{values['rows_inserted']} new and {values['rows_updated']} revised rows, stored "
            f"{stored}; somebody writes without the lock, try again"
        )


def _details(table: LoadableTable, rules: Sequence[RowRule]) -> dict[str, str]:
    unknown = {
        f"unknown_{one.noun}": f"{' and '.join(one.arrives_as)} mean no {one.noun} we know"
        for one in table.references
    }
    kinds = {
        f"{one.name}_unreadable": f"the text of {one.name} is no {one.kind}"
        for one in table.columns
    }
    return {rule.name: f"the table demands {rule.expression}" for rule in rules} | {
        **unknown,
        **kinds,
        **_DETAILS,
    }
