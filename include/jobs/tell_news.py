"""Tell once of what turned up at a venue: outages nobody announced, answers in another form.

Of batches that the gate held back the gate tells itself; where that failed, it is made up for here.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from include.jobs.deliver import make_known
from include.jobs.held_message import held_message
from include.market.errors import CandlewickError
from include.notify.sender import Message, Sender
from include.warehouse.engine import Connection
from include.warehouse.held import untold_held
from include.warehouse.outages import Outage, mark_outages_told, untold_outages
from include.warehouse.schema_drift import ChangedField, mark_changes_told, untold_changes

SHOWN: Final = 8
_SAYS: Final = {"added": "is new", "removed": "is gone", "unit": "is told in another unit"}

log = logging.getLogger(__name__)


def tell_news(conn: Connection, sender: Sender, venue: str, *, at: datetime) -> dict[str, int]:
    """Tell of the outages, changed answers and held batches of a venue nobody was told of; count.

    What cannot be sent is told by the next run: no work waits for it.
    """
    told = {"outages": 0, "changes": 0, "held": 0}
    try:
        told["outages"] = _tell_of_outages(conn, sender, venue, at)
        told["changes"] = _tell_of_changes(conn, sender, venue, at)
        told["held"] = _tell_of_held(conn, sender, venue)
    except CandlewickError as error:
        log.warning("could not tell of news of %s: %s", venue, error)
    return told


def _tell_of_outages(conn: Connection, sender: Sender, venue: str, at: datetime) -> int:
    untold = untold_outages(conn, venue)
    if not untold:
        return 0
    if not make_known(conn, sender, _outage_message(venue, untold, at), kind="outage"):
        return 0
    with conn.transaction():
        mark_outages_told(conn, untold, at=at)
    return len(untold)


def _tell_of_changes(conn: Connection, sender: Sender, venue: str, at: datetime) -> int:
    untold = untold_changes(conn, venue)
    if not untold:
        return 0
    if not make_known(conn, sender, _change_message(venue, untold, at), kind="schema_drift"):
        return 0
    with conn.transaction():
        mark_changes_told(conn, venue, untold, at=at)
    return len(untold)


def _tell_of_held(conn: Connection, sender: Sender, venue: str) -> int:
    return sum(
        make_known(conn, sender, held_message(batch), kind="held")
        for batch in untold_held(conn, venue)
    )


def _outage_message(venue: str, untold: Sequence[Outage], at: datetime) -> Message:
    lines = [
        f"{one.span}: {one.proof.get('silent', '?')} of {one.proof.get('active', '?')} "
        "instruments silent together"
        for one in untold
    ]
    first, last = untold[0], untold[-1]
    return Message(
        title=f"{venue} was out: {len(untold)} outage(s)",
        text=_text(
            lines,
            "All are in ledger.venue_outage; what turns up inside is fetched by itself. State one "
            "in Variable universe, outages, to give it a note.",
        ),
        event_key=f"outage:{venue}:{first.outage_id}-{last.outage_id}-{len(untold)}",
        event_time=at,
    )


def _change_message(venue: str, untold: Sequence[ChangedField], at: datetime) -> Message:
    lines = [f"{one.endpoint}: {one.field} {_SAYS[one.kind]}" for one in untold]
    first = untold[0]
    return Message(
        title=f"{venue} answers otherwise than before: {len(untold)} field(s)",
        text=_text(lines, "All are in ledger.schema_drift; a field we need stops the fetch."),
        event_key=f"schema_drift:{venue}:{first.first_seen_at:%Y%m%dT%H%M%S%f}-{len(untold)}",
        event_time=at,
    )


def _text(lines: Sequence[str], ending: str) -> str:
    rest = len(lines) - SHOWN
    more = [f"and {rest} more"] if rest > 0 else []
    return "\n".join([*lines[:SHOWN], *more, ending])[:1800]
