"""What the ledger says of a month loaded as a whole: the same as of landings loaded one by one.

Runs in the transaction that attaches the month; each table is written once for all landings.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from include.market.errors import StaleFenceError
from include.market.span import Span, to_ms
from include.warehouse.bulk_rows import Member, MonthRows
from include.warehouse.engine import Connection
from include.warehouse.fence import hold_fences
from include.warehouse.loader import load_scope
from include.warehouse.merge import LoadReceipt
from include.warehouse.settlement import SettledPart, settle
from include.warehouse.statements import statement


def hold_members(connection: Connection, members: Sequence[Member]) -> None:
    """Hold every fence and lock every landing until the transaction ends.

    Raises:
        StaleFenceError: a newer try took a fence, or a landing is not what was read.
    """
    hold_fences(
        connection, {load_scope(member.landing): member.fencing_token for member in members}
    )
    found = connection.execute(
        statement("ledger/lock_landings"),
        {"landing_ids": [member.landing.landing_id for member in members]},
    )
    current = {
        landing_id: (payload_sha256, Span(to_ms(start), to_ms(end)), state)
        for landing_id, payload_sha256, start, end, state in found
    }
    for landing in (member.landing for member in members):
        if current.get(landing.landing_id) != (landing.payload_sha256, landing.span, "checked"):
            raise StaleFenceError(
                f"landing {landing.landing_id} holds other content by now, or was loaded: "
                "read pending_landings again"
            )


def write_receipts(
    connection: Connection, loaded: Sequence[MonthRows], *, run_id: str, recorded_at: datetime
) -> None:
    """Write one receipt per landing, under the ids its rows bear."""
    landings = [rows.place.member.landing for rows in loaded]
    connection.execute(
        statement("ledger/write_loads"),
        {
            "dataset": landings[0].dataset,
            "run_id": run_id,
            "recorded_at": recorded_at,
            "load_ids": [rows.place.load_id for rows in loaded],
            "venues": [landing.venue for landing in landings],
            "symbols": [landing.symbol for landing in landings],
            "sources": [landing.source for landing in landings],
            "span_starts": [landing.span.start_time for landing in landings],
            "span_ends": [landing.span.end_time for landing in landings],
            "rows_in": [rows.count for rows in loaded],
            "payloads": [landing.payload_sha256 for landing in landings],
            "fencing_tokens": [rows.place.member.fencing_token for rows in loaded],
            "observed_at": [landing.landed_at for landing in landings],
        },
    )


def tell_ledger(connection: Connection, loaded: Sequence[MonthRows]) -> dict[int, LoadReceipt]:
    """Write changes, gaps and coverage, mark the landings loaded; return the receipts."""
    dataset = loaded[0].place.member.landing.dataset
    runs = [(rows.place, run) for rows in loaded for run in rows.runs]
    connection.execute(
        statement("ledger/write_changes"),
        {
            "dataset": dataset,
            "load_ids": [place.load_id for place, _ in runs],
            "instrument_ids": [place.instrument_id for place, _ in runs],
            "span_starts": [run.start_time for _, run in runs],
            "span_ends": [run.end_time for _, run in runs],
        },
    )
    parts = [
        SettledPart(
            rows.place.instrument_id, rows.place.span, rows.holes, rows.gaps, rows.place.load_id
        )
        for rows in loaded
    ]
    settle(connection, dataset, parts)
    connection.execute(
        statement("ledger/mark_all_loaded"),
        {
            "landing_ids": [rows.place.member.landing.landing_id for rows in loaded],
            "load_ids": [rows.place.load_id for rows in loaded],
        },
    )
    return {
        rows.place.member.landing.landing_id: LoadReceipt(rows.place.load_id, rows.count, 0, 0, 0)
        for rows in loaded
    }
