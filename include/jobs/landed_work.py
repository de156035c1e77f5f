"""Shards of landed work for parallel tasks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from include.warehouse.bulk_plan import plan_months
from include.warehouse.engine import Connection
from include.warehouse.landing import Landing, LandingState, pending_landings

SHARDS = 4
SMALL = 8
"""So few landings are quicker in one task than in several."""


def plan_shards(conn: Connection, *, state: LandingState) -> list[list[int]]:
    """Return the ids of landings in ``state``, split so that no two shards do one piece of work.

    All checked landings of a month that is still empty stay together, for they are loaded
    together; of the others those of one instrument. The shards are about as long, in rows.
    """
    landings = pending_landings(conn, state)
    if not landings:
        return []
    if len(landings) <= SMALL:
        return [[landing.landing_id for landing in landings]]
    months = plan_months(conn, landings) if state == "checked" else []
    in_month = {landing.landing_id for group in months for landing in group}
    rest = [landing for landing in landings if landing.landing_id not in in_month]
    shards: list[list[Landing]] = [[] for _ in range(SHARDS)]
    for group in (*months, *_by_instrument(rest)):
        min(shards, key=_rows).extend(group)
    return [[landing.landing_id for landing in shard] for shard in shards if shard]


def _by_instrument(landings: Sequence[Landing]) -> list[list[Landing]]:
    groups: dict[tuple[str, str], list[Landing]] = defaultdict(list)
    for landing in landings:
        # Oldest content first stays so inside an instrument.
        groups[landing.venue, landing.symbol].append(landing)
    return [groups[key] for key in sorted(groups)]


def _rows(shard: Sequence[Landing]) -> int:
    return sum(landing.rows + 1 for landing in shard)
