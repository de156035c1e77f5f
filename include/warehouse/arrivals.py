"""How candles came: late, twice, or otherwise than before, counted and explained per instrument."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from include.market.span import Span
from include.warehouse.engine import Connection, database_errors
from include.warehouse.statements import statement


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The 1m candles of one instrument that open in a span, and how they came.

    ``revised`` were stored with other values before; ``repaired`` came after their absence had
    been written down. ``repeats`` came twice alike in one batch, ``contradictions`` twice with
    other values there, ``overruled`` were older, or from a worse source, than what was stored:
    all three are in quarantine. ``snapped`` and ``truncated`` count flags. Lateness is from the
    end of a candle to when it was first observed, in seconds: half of them, all but a twentieth,
    and all came within; of history that was loaded later it tells just that.
    """

    venue: str
    symbol: str
    minutes: int
    revised: int
    repaired: int
    repeats: int
    contradictions: int
    overruled: int
    snapped: int
    truncated: int
    lateness_median_s: float
    lateness_p95_s: float
    lateness_most_s: float

    def as_text(self) -> str:
        """Return it in words, for a log or a report."""
        return (
            f"{self.venue} {self.symbol}: {self.minutes} minutes, {describe_oddities([self])}; "
            f"half came within {self.lateness_median_s:.0f} s of their end, "
            f"95 % within {self.lateness_p95_s:.0f} s, all within {self.lateness_most_s:.0f} s"
        )


def describe_oddities(arrivals: Sequence[Arrivals]) -> str:
    """Return in words what was odd about how candles came, added up over instruments."""
    told = {
        "revised": sum(one.revised for one in arrivals),
        "came after their gap was noted": sum(one.repaired for one in arrivals),
        "sent twice": sum(one.repeats for one in arrivals),
        "sent twice with other values": sum(one.contradictions for one in arrivals),
        "overruled by better or newer ones": sum(one.overruled for one in arrivals),
        "moved onto the grid": sum(one.snapped for one in arrivals),
        "cut off by a halt": sum(one.truncated for one in arrivals),
    }
    counted = ", ".join(f"{count} {what}" for what, count in told.items() if count)
    return counted or "nothing odd about them"


def summarise_arrivals(connection: Connection, span: Span) -> list[Arrivals]:
    """Return how the 1m candles of ``span`` (half-open, by open time) came, per instrument.

    Instruments without any are left out.

    Raises:
        RetryableError: the database was lost or too busy.
    """
    values = {"span_start": span.start_time, "span_end": span.end_time}
    with database_errors(f"summing up the arrivals of {span}"):
        rows = connection.execute(statement("ledger/summarise_arrivals"), values)
        return [Arrivals(*counted, *lateness) for *counted, lateness in rows]
