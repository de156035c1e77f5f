"""Makes the tables of the timeframes that are configured, and notes what each is built from.

Only the owner may, so this belongs to the migration; jobs find their tables made.
"""

from __future__ import annotations

from collections.abc import Sequence

from include.market.timeframe import Timeframe, arrows_of
from include.warehouse.engine import Connection, database_errors
from include.warehouse.statements import fetch_value, statement


def ensure_timeframes(connection: Connection, chain: Sequence[Timeframe]) -> list[str]:
    """Make every timeframe of ``chain`` storable, in the caller's transaction; return what changed.

    A timeframe that is new, or built from another source than before, is built anew by its stage:
    its cursor is taken away. One that is no longer in ``chain`` keeps its table and its candles.

    Args:
        connection: the owner's.
        chain: as ``parse_chain`` returned it.

    Returns:
        Labels of the timeframes that were added, changed their source, or are no longer built.

    Raises:
        RetryableError: the tables they refer to stayed locked for too long.
    """
    changed = []
    with database_errors("making the tables of the timeframes"):
        connection.execute(statement("market/lock_timeframes"))
        gone = connection.execute(
            statement("market/leave_timeframes"), {"labels": [one.label for one in chain]}
        )
        changed += [label for (label,) in gone]
        for source, target in arrows_of(chain):
            values = {"label": target.label, "length": target.interval, "source": source.label}
            if fetch_value(connection, statement("market/ensure_timeframe"), values):
                changed.append(target.label)
    return changed
