"""All SQL of the stack: what ``make up`` and ``make status`` read from the two databases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.rows import dict_row

from include.market.timeframe import TIMEFRAMES
from stack.river_progress import CURSOR_STAGES, Marks

LANDINGS = """
select state, count(*) as batches, coalesce(sum(rows), 0)::bigint as landed_rows,
       max(landing_id) as newest
  from ledger.landing
 where %(mark)s::bigint is null or landing_id <= %(mark)s::bigint
 group by state
"""

STORED_ROWS = """
select dataset, sum(rows_inserted)::bigint as stored_rows from ledger.load group by dataset
"""

WAITING = """
select stage.name, count(change.change_id) as waiting
  from unnest(%(stages)s::text[], %(datasets)s::text[], %(marks)s::text[])
       as stage (name, dataset, mark)
  left join ledger.cursor on cursor.stage = stage.name
  left join ledger.change
    on change.dataset = stage.dataset
   and (cursor.xid is null or change.xid >= cursor.xid)
   and (stage.mark is null or change.xid < stage.mark::xid8)
 group by stage.name
"""

MODELS = """
select pg_snapshot_xmax(pg_current_snapshot())::text as next_xid,
       (select count(*) from model.segment) as segments,
       (select count(*) from model.channel) as channels,
       (select coalesce(extract(epoch from max(recorded_at)), 0)::float8 from model.fit_run)
         as fitted_at
"""

PUBLICATIONS = "select state, count(*) as messages from report.publication group by state"

GAPS = """
select reason, count(*) as gaps from ledger.gap where closed_at is null group by reason order by 1
"""

TOTALS = """
select (select count(*) from market.instrument) as instruments,
       (select count(*) from ledger.quarantine) as quarantined,
       (select count(*) from ledger.landing where state = 'held') as held,
       (select count(*) from model.segment) as segments,
       (select count(*) from model.channel where published) as published,
       (select count(*) from model.channel where not published) as declined
"""

# What Airflow's scheduler does itself, but only every thirty seconds; until then a finished
# backfill forbids the next one.
CLOSE_FINISHED_BACKFILLS = """
update backfill set completed_at = now()
 where completed_at is null
   and exists (select from backfill_dag_run run where run.backfill_id = backfill.id)
   and not exists (
         select from dag_run run
          where run.backfill_id = backfill.id and run.state in ('queued', 'running'))
"""


def read_poll(connection: psycopg.Connection, marks: Marks) -> dict[str, Any]:
    """Return the warehouse's share of one poll, in one snapshot."""
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        connection.execute("set transaction isolation level repeatable read, read only")
        landings = cursor.execute(LANDINGS, {"mark": marks.landing}).fetchall()
        stored = cursor.execute(STORED_ROWS).fetchall()
        stages = {
            "stages": list(CURSOR_STAGES),
            "datasets": list(CURSOR_STAGES.values()),
            "marks": [marks.changes.get(stage) for stage in CURSOR_STAGES],
        }
        waiting = cursor.execute(WAITING, stages).fetchall()
        publications = cursor.execute(PUBLICATIONS).fetchall()
        models = cursor.execute(MODELS).fetchone() or {}
    return {
        "landings": {row["state"]: row["batches"] for row in landings},
        "landed_rows": sum(row["landed_rows"] for row in landings),
        "newest_landing": max((row["newest"] for row in landings), default=0),
        "stored_rows": {row["dataset"]: row["stored_rows"] for row in stored},
        "waiting": {row["name"]: row["waiting"] for row in waiting},
        "publications": {row["state"]: row["messages"] for row in publications},
        **models,
    }


def read_totals(connection: psycopg.Connection) -> dict[str, Any]:
    """Return what the summary shows, counted exactly."""
    with connection.cursor(row_factory=dict_row) as cursor:
        totals = cursor.execute(TOTALS).fetchone() or {}
        gaps = cursor.execute(GAPS).fetchall()
        publications = cursor.execute(PUBLICATIONS).fetchall()
        candles = {label: _count_candles(cursor, label) for label in TIMEFRAMES}
    return {
        **totals,
        "gaps": {row["reason"]: row["gaps"] for row in gaps},
        "publications": {row["state"]: row["messages"] for row in publications},
        "candles": candles,
    }


def _count_candles(cursor: psycopg.Cursor[Mapping[str, Any]], label: str) -> int:
    # The label is one of our own four, never a caller's text.
    row = cursor.execute(f"select count(*) as rows from market.candle_{label}").fetchone()  # noqa: S608
    return int(row["rows"]) if row else 0


def close_finished_backfills(metadata_url: str) -> None:
    """Mark backfills complete whose runs have all ended."""
    with psycopg.connect(metadata_url, connect_timeout=10) as connection:
        connection.execute(CLOSE_FINISHED_BACKFILLS)
