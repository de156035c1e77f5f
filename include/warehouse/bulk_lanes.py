"""Loads several empty months side by side: while one builds its key, the other copies."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from include.market.timeframe import TIMEFRAMES
from include.warehouse.bulk_month import load_month
from include.warehouse.bulk_rows import Member
from include.warehouse.engine import Connection, begin_own_transaction, database_errors
from include.warehouse.lanes import work_in_lanes
from include.warehouse.merge import LoadReceipt
from include.warehouse.partitions import ensure_partitions


def load_months(
    connection: Connection, groups: Sequence[Sequence[Member]], *, run_id: str
) -> dict[int, LoadReceipt]:
    """Load each group as ``load_month`` does; return the receipts of all by landing_id.

    Raises:
        CandlewickError: as ``load_month``; the months that were finished stay loaded.
    """
    receipts: dict[int, LoadReceipt] = {}
    if len(groups) > 1:
        _ensure_months(connection, groups)
    pieces = [partial(load_month, members=group, run_id=run_id) for group in groups]
    for found in work_in_lanes(connection, pieces):
        receipts |= found
    return receipts


def _ensure_months(connection: Connection, groups: Sequence[Sequence[Member]]) -> None:
    """Make the other tables' partitions now: later the sessions would be in each other's way."""
    action = "making partitions"
    begin_own_transaction(connection, action)
    for group in groups:
        landing = group[0].landing
        others = [other for label, other in TIMEFRAMES.items() if label != landing.timeframe]
        with database_errors(action), connection.transaction():
            ensure_partitions(connection, others, landing.span)
