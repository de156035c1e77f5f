"""All SQL of the stack: what ``make up`` and ``make status`` read from the two databases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

from include.market.span import Span
from include.market.timeframe import M1, TIMEFRAMES, Timeframe
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
       (select coalesce(extract(epoch from max(recorded_at)), 0)::float8 from model.fit_run
         where timeframe = '4h') as fitted_at
"""

PUBLICATIONS = "select state, count(*) as messages from report.publication group by state"

GAPS = """
select reason, count(*) as gaps from ledger.gap where closed_at is null group by reason order by 1
"""

COVERED_MINUTES = """
select coalesce(sum(extract(epoch from upper(part) - lower(part))) / 60, 0)::float8 as minutes
  from ledger.coverage
  join market.instrument using (instrument_id)
 cross join unnest(covered * tstzmultirange(tstzrange(%(start)s, %(end)s))) as part
 where dataset = 'candle_1m' and symbol = any(%(symbols)s)
"""

TOTALS = """
select (select count(*) from market.instrument) as instruments,
       (select count(*) from ledger.quarantine where state <> 'released') as quarantined,
       (select count(*) from ledger.landing where state = 'held') as held,
       (select count(*) from model.segment join model.fit_run using (fit_run_id) where is_current)
         as segments,
       (select count(*) from model.fit_run
         where is_current and parameters ->> 'declined_reason' is null) as published,
       (select count(*) from model.fit_run
         where is_current and parameters ->> 'declined_reason' is not null) as declined
"""

# Airflow's metadata are read here rather than over its REST API, which the tasks themselves need.
RUNS = """
select dag_id, count(*) filter (where state in ('queued', 'running')) as unfinished,
       extract(epoch from max(start_date) filter (where state = 'success'))::float8 as succeeded_at
  from dag_run
 where dag_id = any(%(dags)s)
 group by dag_id
"""

FIRST_FAILURE = """
select run.dag_id, run.run_id, task.task_id, task.map_index, task.try_number
  from dag_run run
  left join task_instance task
    on task.dag_id = run.dag_id and task.run_id = run.run_id and task.state = 'failed'
 where run.state = 'failed' and run.end_date >= %(since)s and run.dag_id = any(%(dags)s)
 order by run.end_date, task.end_date
 limit 1
"""

RUN_STATE = "select state from dag_run where dag_id = %(dag_id)s and run_id = %(run_id)s"

UNFINISHED_RUN = """
select run_id from dag_run
 where dag_id = %(dag_id)s and state in ('queued', 'running')
 order by id
 limit 1
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


def read_totals(
    connection: psycopg.Connection, span: Span, symbols: Sequence[str]
) -> dict[str, Any]:
    """Return what the summary shows, counted exactly.

    ``covered`` is the share of ``span`` proven loaded, over all ``symbols``, 0.0 to 1.0.
    """
    asked = {"start": span.start_time, "end": span.end_time, "symbols": list(symbols)}
    wanted_minutes = (span.end_ms - span.start_ms) / M1.length_ms * len(symbols)
    with connection.cursor(row_factory=dict_row) as cursor:
        totals = cursor.execute(TOTALS).fetchone() or {}
        gaps = cursor.execute(GAPS).fetchall()
        publications = cursor.execute(PUBLICATIONS).fetchall()
        candles = {label: _count_candles(cursor, one) for label, one in TIMEFRAMES.items()}
        covered = cursor.execute(COVERED_MINUTES, asked).fetchone() or {"minutes": 0.0}
    return {
        **totals,
        "covered": covered["minutes"] / wanted_minutes if wanted_minutes else 0.0,
        "gaps": {row["reason"]: row["gaps"] for row in gaps},
        "publications": {row["state"]: row["messages"] for row in publications},
        "candles": candles,
    }


def _count_candles(cursor: psycopg.Cursor[Mapping[str, Any]], timeframe: Timeframe) -> int:
    # The name is one of our own, never a caller's text.
    row = cursor.execute(f"select count(*) as rows from market.{timeframe.dataset}").fetchone()  # noqa: S608
    return int(row["rows"]) if row else 0


@dataclass(frozen=True, slots=True)
class Runs:
    """The state of DAG runs; ``succeeded_at`` is when the newest success started, epoch seconds."""

    unfinished: dict[str, int]
    succeeded_at: dict[str, float]


@dataclass(frozen=True, slots=True)
class FailedTask:
    """Where a DAG run broke; ``log`` is relative to Airflow's folder of task logs."""

    dag_id: str
    run_id: str
    task_id: str
    log: str


class Metadata:
    """Airflow's own database, mostly to look at."""

    def __init__(self, url: str) -> None:
        """Remember where; every question connects anew, for the server may be restarted."""
        self._url = url

    def _rows(self, query: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        with (
            psycopg.connect(self._url, connect_timeout=5, application_name="make up") as connection,
            connection.cursor(row_factory=dict_row) as cursor,
        ):
            return cursor.execute(query, parameters).fetchall()

    def runs(self, dags: Sequence[str]) -> Runs:
        """Return the state of the runs of ``dags``."""
        rows = self._rows(RUNS, {"dags": list(dags)})
        return Runs(
            {row["dag_id"]: row["unfinished"] for row in rows},
            {row["dag_id"]: row["succeeded_at"] or 0.0 for row in rows},
        )

    def first_failure(self, dags: Sequence[str], since: datetime) -> FailedTask | None:
        """Return the first failed task among runs of ``dags`` that failed since then."""
        rows = self._rows(FIRST_FAILURE, {"dags": list(dags), "since": since})
        return _failed_task(rows[0]) if rows else None

    def run_state(self, dag_id: str, run_id: str) -> str | None:
        """Return the state of one run; None when there is no such run."""
        rows = self._rows(RUN_STATE, {"dag_id": dag_id, "run_id": run_id})
        return rows[0]["state"] if rows else None

    def unfinished_run(self, dag_id: str) -> str | None:
        """Return the id of the oldest run that is not over yet."""
        rows = self._rows(UNFINISHED_RUN, {"dag_id": dag_id})
        return rows[0]["run_id"] if rows else None

    def close_finished_backfills(self) -> None:
        """Mark backfills complete whose runs have all ended."""
        with psycopg.connect(self._url, connect_timeout=5) as connection:
            connection.execute(CLOSE_FINISHED_BACKFILLS)


def _failed_task(row: Mapping[str, Any]) -> FailedTask:
    folder = f"dag_id={row['dag_id']}/run_id={row['run_id']}"
    if row["task_id"] is None:
        return FailedTask(row["dag_id"], row["run_id"], "?", folder)
    mapped = f"map_index={row['map_index']}/" if row["map_index"] >= 0 else ""
    log = f"{folder}/task_id={row['task_id']}/{mapped}attempt={row['try_number']}.log"
    return FailedTask(row["dag_id"], row["run_id"], row["task_id"], log)
