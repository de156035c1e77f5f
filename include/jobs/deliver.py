"""Send a message once, whoever asks and however often."""

from __future__ import annotations

from include.market.errors import CandlewickError
from include.notify.sender import Message, Sender
from include.warehouse.engine import Connection
from include.warehouse.publications import claim_publication, finish_publication, is_published


def deliver_once(conn: Connection, sender: Sender, message: Message, *, kind: str) -> bool:
    """Send ``message`` unless its event was told already; tell whether it went out now.

    Raises:
        CandlewickError: it could not be sent; it is marked failed, and may be tried again.
    """
    with conn.transaction():
        publication_id = claim_publication(conn, message.event_key, kind, message.title)
    if publication_id is None:
        return False
    try:
        receipt = sender.send(message)
    except CandlewickError:
        with conn.transaction():
            finish_publication(conn, publication_id, sent=False)
        raise
    with conn.transaction():
        finish_publication(
            conn, publication_id, sent=True, target=receipt.target, path=receipt.path
        )
    return True


def make_known(conn: Connection, sender: Sender, message: Message, *, kind: str) -> bool:
    """Send ``message`` unless its event was told already; tell whether it has gone out by now.

    False while another sender has taken it up: that one may have died before it sent anything, so
    what the message tells of is not told yet, and is to be tried again.

    Raises:
        CandlewickError: it could not be sent; it is marked failed, and may be tried again.
    """
    return deliver_once(conn, sender, message, kind=kind) or is_published(conn, message.event_key)
