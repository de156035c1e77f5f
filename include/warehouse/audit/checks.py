"""The checks as data: what each one holds against what, where it looks, how a finding is repaired.

To add one, write its statement under ``sql/audit`` (columns: instrument, start, end, detail) and
add a line here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Scope = Literal[
    "database", "rules", "references", "month", "dataset", "candles", "minutes", "coarse"
]
"""Where a check looks: once, at each table with constraints or foreign keys, at each month, at each
candle table, at each month of candles, of 1m candles, of coarse candles."""

REFETCH: Final = (
    "read these days again, differing rows are revised: bin/airflow backfill create "
    "--dag-id backfill_history --from-date {first_day} --to-date {last_day} "
    "--reprocess-behavior completed"
)
ROLL_UP: Final = (
    "roll them up again: echo \"SELECT ledger.file_repair('{source}', {instrument_id}, "
    "'{span_start}', '{span_end}')\" | make psql; then bin/airflow dags trigger cascade_{name}"
)
ROLL_UP_ALL: Final = f"{REFETCH}. If it is still found then, {ROLL_UP}"
RESTORE: Final = (
    "restore these rows from a backup. Without one, {mend}; what cannot be restored is accepted "
    'with: echo "UPDATE ledger.finding SET accepted_at = now() WHERE finding_id = <its number>" | '
    "make psql"
)
REOPEN: Final = (
    '{mend}. When the rows are right, close the month anew: echo "DELETE FROM '
    "ledger.month_checksum WHERE dataset = '{dataset}' AND instrument_id = {instrument_id} AND "
    "month = '{month}'\" | make psql"
)
SCHEMA: Final = (
    "somebody changed the schema by hand: undo it as the owner (make psql); "
    "docs/data-dictionary.md says how it has to be"
)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that has to hold.

    ``mend`` is what to do about rows of 1m candles, ``mend_coarse`` about computed candles,
    ``mend_other`` about rows of any other table.
    """

    name: str
    statement: str
    scope: Scope
    holds: str
    mend: str = REFETCH
    mend_coarse: str = ROLL_UP
    mend_other: str = RESTORE


CHECKS: Final = (
    Check(
        "schema",
        "find_unenforced",
        "database",
        "constraints are enforced and validated, triggers are on, indexes are valid",
        mend_other=SCHEMA,
    ),
    Check(
        "partitions",
        "find_odd_partitions",
        "database",
        "each partition is the calendar month it is called after",
        mend_other=SCHEMA,
    ),
    Check(
        "rules",
        "break_rules",
        "rules",
        "every row obeys the check constraints of its table; NaN and infinities do not",
    ),
    Check(
        "references",
        "find_orphans",
        "references",
        "every foreign key leads somewhere",
        RESTORE,
        RESTORE,
    ),
    Check("place", "find_misplaced", "month", "every row stands in the partition of its month"),
    Check(
        "coverage",
        "compare_coverage",
        "minutes",
        "every covered minute is stored or its absence explained, and nothing else is stored",
    ),
    Check(
        "cascade",
        "compare_cascade",
        "coarse",
        "every coarse candle is what its finer ones add up to",
        mend_coarse=ROLL_UP_ALL,
    ),
    Check(
        "lineage",
        "trace_lineage",
        "candles",
        "every candle agrees with the load it names, and that load told of it",
        RESTORE,
        RESTORE,
    ),
    Check(
        "revisions",
        "follow_revisions",
        "candles",
        "revision n has n - 1 forerunners, recorded one after the other",
        RESTORE,
        RESTORE,
    ),
    Check(
        "receipts",
        "add_up_receipts",
        "dataset",
        "what a load says it stored and refused is there",
        RESTORE,
        RESTORE,
    ),
)
CHECKSUM: Final = Check(
    "checksum",
    "sum_month",
    "candles",
    "a closed month adds up to what it did when it was closed",
    REOPEN,
    REOPEN,
)
