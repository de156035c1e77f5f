"""Shards of landed work for parallel tasks."""

from __future__ import annotations

from itertools import groupby

from include.warehouse.engine import Connection
from include.warehouse.landing import LandingState, pending_landings

SHARDS = 4
SMALL = 8
"""So few landings are quicker in one task than in several."""


def plan_shards(conn: Connection, *, state: LandingState) -> list[list[int]]:
    """Return the ids of landings in ``state``, split so that an instrument stays in one shard."""
    landings = pending_landings(conn, state)
    if not landings:
        return []
    if len(landings) <= SMALL:
        return [[landing.landing_id for landing in landings]]
    shards: list[list[int]] = [[] for _ in range(SHARDS)]
    by_instrument = sorted(landings, key=lambda landing: (landing.venue, landing.symbol))
    for _, group in groupby(by_instrument, key=lambda landing: (landing.venue, landing.symbol)):
        # sorted() is stable: oldest content first stays so inside an instrument.
        min(shards, key=len).extend(landing.landing_id for landing in group)
    return [shard for shard in shards if shard]
