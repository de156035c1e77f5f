"""Batches the gate holds back, and which of them nobody was told of.

Nothing here commits: the caller's transaction does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from include.market.span import Span, to_ms
from include.warehouse.engine import Connection
from include.warehouse.statements import statement


@dataclass(frozen=True, slots=True)
class HeldBatch:
    """A landing that waits for a person: what it speaks for and why, rows refused by rule."""

    landing_id: int
    venue: str
    symbol: str
    span: Span
    payload_sha256: str
    landed_at: datetime
    rows: int
    refused: int
    rules: Mapping[str, int]

    @property
    def event_key(self) -> str:
        """Name the event: the same content of a symbol is told of once, however often it lands."""
        return f"held:{self.venue}:{self.symbol}:{self.payload_sha256[:16]}"


def untold_held(connection: Connection, venue: str, *, most: int = 20) -> list[HeldBatch]:
    """Return the held batches of a venue whose message has not gone out, the oldest ``most``."""
    values = {"venue": venue, "most": most}
    rows = connection.execute(statement("ledger/untold_held"), values)
    return [
        HeldBatch(
            landing_id=landing_id,
            venue=venue,
            symbol=symbol,
            span=Span(to_ms(start), to_ms(end)),
            payload_sha256=digest,
            landed_at=landed_at,
            rows=int(verdict.get("accepted", 0)) + int(verdict.get("refused", 0)),
            refused=int(verdict.get("refused", 0)),
            rules=verdict.get("rules", {}),
        )
        for landing_id, symbol, start, end, digest, landed_at, verdict in rows
    ]
