"""Messages by the event they tell of: one sender takes an event up, and it is sent once.

Nothing here commits: commit the claim before sending, the result after.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final, Literal

from include.market.errors import InvalidInputError
from include.warehouse.engine import Connection
from include.warehouse.statements import statement

PublicationTarget = Literal["discord", "outbox"]
STALE_AFTER_S: Final = 900.0
"""A sender that has not finished by then is taken for dead, and the event may be taken up again."""


def claim_publication(
    connection: Connection,
    event_key: str,
    kind: str,
    title: str,
    *,
    stale_after_s: float = STALE_AFTER_S,
) -> int | None:
    """Take up the message about ``event_key``; return its id, or None to leave it alone.

    None when it was sent, or when another sender took it up less than ``stale_after_s`` seconds
    ago. A failed one may be taken up at once. Of two senders at the same moment one gets it.
    """
    row = connection.execute(
        statement("report/claim_publication"),
        {
            "event_key": event_key,
            "kind": kind,
            "title": title,
            "stale_after": timedelta(seconds=stale_after_s),
        },
    ).fetchone()
    return None if row is None else int(row[0])


def is_published(connection: Connection, event_key: str) -> bool:
    """Tell whether the message about ``event_key`` has gone out."""
    row = connection.execute(
        "SELECT FROM report.publication WHERE event_key = %s AND state = 'sent'", (event_key,)
    ).fetchone()
    return row is not None


def finish_publication(
    connection: Connection,
    publication_id: int,
    *,
    sent: bool,
    target: PublicationTarget | None = None,
    path: str | None = None,
) -> None:
    """Record that a message was sent to ``target``, or that sending it failed.

    A message recorded as sent stays sent.

    Raises:
        InvalidInputError: no such publication, or sent without a target.
    """
    if sent and target is None:
        raise InvalidInputError(f"publication {publication_id}: sent, but to which target?")
    values = {
        "publication_id": publication_id,
        "state": "sent" if sent else "failed",
        "target": target,
        "path": path,
    }
    if connection.execute(statement("report/finish_publication"), values).rowcount == 0:
        raise InvalidInputError(f"publication {publication_id} does not exist: claim it first")
