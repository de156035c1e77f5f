"""What is told of a batch that the gate holds back."""

from __future__ import annotations

from include.notify.sender import Message
from include.warehouse.held import HeldBatch


def held_message(held: HeldBatch) -> Message:
    """Return the message about a batch that is held back."""
    rules = ", ".join(f"{rule}: {count}" for rule, count in held.rules.items())
    return Message(
        title=f"Batch held: {held.symbol} {held.span}",
        text=f"{held.refused} of {held.rows} rows of {held.venue} {held.symbol} {held.span} were "
        f"refused ({rules}). Nothing of the batch is loaded. Look at ledger.quarantine where "
        f"landing_id = {held.landing_id}.",
        event_key=held.event_key,
        event_time=held.landed_at,
    )
