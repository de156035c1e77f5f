"""The work list between fetch, check and load: landed -> checked -> loaded, or held.

Nothing here commits: the caller's transaction does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import pandas as pd
from psycopg.rows import TupleRow

from include.market.errors import InvalidInputError, StaleFenceError
from include.market.span import Span, to_ms
from include.market.timeframe import parse_timeframe
from include.warehouse.engine import Connection
from include.warehouse.quarantine import QuarantinedRow, finite_json, write_quarantine
from include.warehouse.statements import fetch_value, statement

LandingState = Literal["landed", "checked", "loaded", "held"]
REFUSED_COLUMNS: Final = ("open_time", "raw", "rule", "detail")


@dataclass(frozen=True, slots=True)
class Landing:
    """One landed file: what it is meant for, where it lies, how far it has come.

    ``span`` is half-open; ``rows`` counts the accepted rows once it is checked; ``landed_at`` is
    when this content was observed.
    """

    landing_id: int
    dataset: str
    venue: str
    symbol: str
    timeframe: str
    span: Span
    path: str
    clean_path: str | None
    rows: int
    payload_sha256: str
    state: LandingState
    source: str
    run_id: str
    landed_at: datetime


def register_landing(
    connection: Connection,
    *,
    venue: str,
    symbol: str,
    timeframe: str,
    span: Span,
    path: str,
    rows: int,
    payload_sha256: str,
    source: str,
    run_id: str,
    origin: str | None = None,
) -> Landing:
    """Write a landed file into the work list and return its row.

    The same path with the same content and span changes nothing, however far the row has come;
    other content starts again at ``landed``. ``payload_sha256`` is 64 hexadecimal digits.
    ``origin`` names venue and symbol that stated the rows, where those are not the landing's own.
    """
    values = {
        "dataset": parse_timeframe(timeframe).dataset,
        "venue": venue,
        "symbol": symbol,
        "timeframe": timeframe,
        "span_start": span.start_time,
        "span_end": span.end_time,
        "path": path,
        "rows": rows,
        "payload_sha256": payload_sha256,
        "source": source,
        "run_id": run_id,
        "origin": origin,
    }
    connection.execute(statement("ledger/register_landing"), values)
    found = connection.execute(statement("ledger/landing_by_path"), {"path": path}).fetchone()
    if found is None:
        raise LookupError(f"landing {path} was deleted while it was registered")
    return _as_landing(found)


def pending_landings(
    connection: Connection, state: LandingState, *, limit: int | None = None
) -> list[Landing]:
    """Return the landings that stand at ``state``, oldest content first."""
    rows = connection.execute(
        statement("ledger/pending_landings"), {"state": state, "limit": limit}
    )
    return [_as_landing(row) for row in rows]


def landed_spans(connection: Connection, *, venue: str, symbol: str, run_id: str) -> list[Span]:
    """Return the spans of ``symbol`` that the run has landed already, in no order."""
    key = {"venue": venue, "symbol": symbol, "run_id": run_id}
    rows = connection.execute(statement("ledger/landed_spans"), key)
    return [Span(to_ms(start), to_ms(end)) for start, end in rows]


def get_landing(connection: Connection, landing_id: int) -> Landing:
    """Return one landing as it stands.

    Raises:
        InvalidInputError: there is no such landing.
    """
    row = connection.execute(statement("ledger/get_landing"), {"landing_id": landing_id}).fetchone()
    if row is None:
        raise InvalidInputError(f"landing {landing_id} does not exist: register it first")
    return _as_landing(row)


def lock_landing(connection: Connection, landing_id: int) -> Landing:
    """Return one landing as it stands and keep it so until the caller's transaction ends.

    Raises:
        InvalidInputError: there is no such landing.
    """
    connection.execute(statement("ledger/lock_landing"), {"landing_id": landing_id})
    return get_landing(connection, landing_id)


def mark_checked(
    connection: Connection,
    landing_id: int,
    *,
    clean_path: str | None,
    rows: int,
    verdict: Mapping[str, Any],
    held: bool,
    quarantined: pd.DataFrame,
    payload_sha256: str | None = None,
) -> int:
    """Store the gate's verdict, its refused rows and the new state, together; return verdict_id.

    Args:
        connection: the caller's transaction.
        landing_id: the landing that was checked.
        clean_path: where the accepted rows lie; may be None only when held.
        rows: accepted rows.
        verdict: JSON-able report; ``suite`` and ``success`` are taken from it when present.
        held: whether the file must wait for a person instead of being loaded.
        quarantined: refused rows with the columns open_time, raw, rule, detail.
        payload_sha256: content that was checked; None takes the content now registered.

    A second check of the same content replaces what the first one wrote.

    Raises:
        StaleFenceError: the landing holds other content by now, or was loaded already.
        InvalidInputError: there is no such landing, or no clean_path although not held.
    """
    landing = lock_landing(connection, landing_id)
    if landing.state == "loaded" or payload_sha256 not in (None, landing.payload_sha256):
        raise StaleFenceError(
            f"landing {landing_id} is {landing.state} with content "
            f"{landing.payload_sha256[:12]}…: this check came too late, end it"
        )
    if clean_path is None and not held:
        raise InvalidInputError(f"landing {landing_id}: expected a clean_path, was None")
    values = {
        "landing_id": landing_id,
        "payload_sha256": landing.payload_sha256,
        "suite": str(verdict.get("suite", landing.dataset)),
        "success": bool(verdict.get("success", not held)),
        "rows": rows,
        "refused": len(quarantined),
        "results": finite_json(dict(verdict)),
        "state": "held" if held else "checked",
        "clean_path": clean_path,
    }
    verdict_id = int(fetch_value(connection, statement("ledger/write_verdict"), values))
    write_quarantine(
        connection, _refused_rows(quarantined), landing_id=landing_id, verdict_id=verdict_id
    )
    connection.execute(statement("ledger/mark_checked"), values)
    return verdict_id


def _refused_rows(frame: pd.DataFrame) -> list[QuarantinedRow]:
    lost = [column for column in REFUSED_COLUMNS if column not in frame.columns]
    if lost and len(frame):
        raise InvalidInputError(f"refused rows lack {', '.join(lost)}: has {list(frame.columns)}")
    if not len(frame):
        return []
    columns = [frame[column].tolist() for column in REFUSED_COLUMNS]
    return [
        QuarantinedRow(None if pd.isna(time) else time.to_pydatetime(), str(raw), rule, detail)
        for time, raw, rule, detail in zip(*columns, strict=True)
    ]


def _as_landing(row: TupleRow) -> Landing:
    landing_id, dataset, venue, symbol, timeframe, start, end, *rest = row
    span = Span(to_ms(start), to_ms(end))
    return Landing(landing_id, dataset, venue, symbol, timeframe, span, *rest)
