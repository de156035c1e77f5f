"""What every source of market data offers, whatever venue stands behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from include.exchanges.rows import CandleRows, FundingRows, TradeRows
from include.exchanges.traits import VenueTraits
from include.market.instrument import InstrumentRecord, VenueRecord
from include.market.span import Span
from include.market.timeframe import Timeframe


@dataclass(frozen=True, slots=True)
class CandlePage:
    """One answer of a venue: rows that open inside ``span``, oldest first, no open time twice.

    ``outside`` counts rows the venue sent although they lie outside the range asked for, and
    ``repeated`` those it sent again, equal to the last bit; both are dropped.
    """

    span: Span
    rows: CandleRows
    outside: int = 0
    repeated: int = 0


@dataclass(frozen=True, slots=True)
class TradePage:
    """Aggregate trades inside ``span``, by rising id; the pages of one walk touch each other.

    ``outside`` counts rows dropped because they lie before the range asked for. ``flawed`` counts
    rows kept here that the gate must refuse (see :func:`include.exchanges.trade_pages.find_flaws`).
    ``missing_ids`` are the aggregate ids left out inside the page, each (first, last) inclusive,
    where the venue promises ids without holes; ``fill_gaps`` counts neighbours whose trade ids do
    not join.
    """

    span: Span
    rows: TradeRows
    outside: int = 0
    flawed: int = 0
    missing_ids: tuple[tuple[int, int], ...] = ()
    fill_gaps: int = 0


@dataclass(frozen=True, slots=True)
class FundingPage:
    """Funding payments inside ``span``, by rising time.

    ``outside`` and ``repeated`` count as in :class:`CandlePage`. ``missing`` are the spans between
    two payments in which others were due, by the interval of the payments around them.
    """

    span: Span
    rows: FundingRows
    outside: int = 0
    repeated: int = 0
    missing: tuple[Span, ...] = ()


class CandleSource(Protocol):
    """A venue's public market data, read only."""

    @property
    def venue(self) -> VenueRecord:
        """The venue behind this source."""
        ...

    @property
    def traits(self) -> VenueTraits:
        """How this venue answers."""
        ...

    def server_time_ms(self) -> int:
        """Return the venue's own clock, epoch milliseconds."""
        ...

    def instruments(self, symbols: Sequence[str]) -> list[InstrumentRecord]:
        """Return the reference record of each symbol, in the order asked.

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


@runtime_checkable
class ListingSource(Protocol):
    """A venue whose one answer tells of all its instruments anyway."""

    def listing(self) -> list[InstrumentRecord]:
        """Return the reference record of every symbol the venue tells of, followed or not."""
        ...


@runtime_checkable
class TradeSource(Protocol):
    """A venue's aggregate trades."""

    def agg_trades(self, symbol: str, span: Span, *, page_limit: int) -> Iterator[TradePage]:
        """Yield pages that together hold every aggregate trade of ``span``, by rising id."""
        ...


@runtime_checkable
class FundingSource(Protocol):
    """A venue's funding payments."""

    def funding_rates(self, symbol: str, span: Span, *, page_limit: int) -> Iterator[FundingPage]:
        """Yield pages that together hold every payment of ``span``, oldest first."""
        ...

    def funding_intervals_ms(self) -> dict[str, int]:
        """Return the funding interval of every symbol whose interval the venue states."""
        ...
