"""What every source of candles offers, whatever venue stands behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import pandas as pd

from include.market.instrument import InstrumentRecord, VenueRecord
from include.market.span import Span
from include.market.timeframe import Timeframe


@dataclass(frozen=True, slots=True)
class CandlePage:
    """One answer of a venue: rows with ``open_time`` inside ``span``, oldest first.

    ``frame`` is a landed frame (include/market/candle.py). ``outside`` counts rows the venue sent
    although they lie outside the range asked for; they are dropped.
    """

    span: Span
    frame: pd.DataFrame
    outside: int = 0


class CandleSource(Protocol):
    """A venue's public market data, read only."""

    venue: VenueRecord

    def server_time_ms(self) -> int:
        """Return the venue's own clock, epoch milliseconds."""
        ...

    def instruments(self, symbols: Sequence[str]) -> list[InstrumentRecord]:
        """Return the reference record of each symbol.

        Raises:
            UnknownInstrumentError: the venue does not list one of them.
        """
        ...

    def first_open_ms(self, symbol: str, timeframe: Timeframe) -> int | None:
        """Return when the oldest candle the venue keeps opens, or None when it keeps none."""
        ...

    def candles(
        self, symbol: str, timeframe: Timeframe, span: Span, *, page_limit: int
    ) -> Iterator[CandlePage]:
        """Yield pages that together hold every candle opening in ``span``, oldest first.

        At least one page comes, an empty one when there is no candle. Absence is asked for twice,
        the second time with a wider request, before it is believed.
        """
        ...
