"""Whom the candles of a timeframe wake, and whether somebody still waits to be woken.

A task that is killed after its commit and before its report has stored rows nobody was told of.
Its next try finds nothing to do; what it tells must therefore follow from the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable

from include.market.timeframe import CASCADE, Timeframe
from include.warehouse.engine import Connection
from include.warehouse.ledger import changes_awaited


def stages_after(timeframe: Timeframe) -> list[str]:
    """Return the stages that read the candles of ``timeframe``."""
    arrows = [f"cascade_{target.name}" for source, target in CASCADE if source == timeframe]
    return [*arrows, f"fit_channels_{timeframe.name}"]


def somebody_waits(conn: Connection, timeframes: Iterable[Timeframe]) -> bool:
    """Tell whether a stage has changes of any of ``timeframes`` still to do."""
    return any(changes_awaited(conn, stages_after(each), each.dataset) for each in timeframes)
