"""Say once that a venue has banned us, however many tasks run into it."""

from __future__ import annotations

import logging

from include.jobs.deliver import deliver_once
from include.market.errors import CandlewickError
from include.notify.sender import Message, Sender
from include.warehouse.engine import Connection
from include.warehouse.rate_governor import Circuit, open_circuits

log = logging.getLogger(__name__)


def notify_bans(conn: Connection, sender: Sender) -> int:
    """Tell of every ban in force that was not told yet; return how many were told now."""
    told = 0
    for circuit in open_circuits(conn):
        try:
            told += deliver_once(conn, sender, _message(circuit), kind="ban")
        except CandlewickError as error:
            # Nothing is asked until the ban ends, whether anybody hears of it or not.
            log.warning("could not tell of a ban by %s: %s", circuit.scope, error)
    return told


def _message(circuit: Circuit) -> Message:
    return Message(
        title=f"Banned by {circuit.scope} until {circuit.until:%Y-%m-%d %H:%M} UTC",
        text=f"{circuit.reason} Nothing is asked of {circuit.scope} from address "
        f"{circuit.egress!r} until then; all work waits and goes on by itself. If this happens "
        "again, something else behind the address uses the venue too: lower the share of the "
        "limit, or give it an address of its own.",
        event_key=f"ban:{circuit.scope}:{circuit.egress}:{circuit.since:%Y%m%dT%H%M%S}",
        event_time=circuit.since,
    )
