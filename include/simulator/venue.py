"""The simulated exchange as a whole: its two markets, its clock, its limits and its changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from include.simulator.amendments import Amendments
from include.simulator.archive import Archive
from include.simulator.catalogue import SPOT, USDM
from include.simulator.clock import Clock
from include.simulator.engine import Engine
from include.simulator.funding import FundingBook
from include.simulator.overlay import AmendedEngine
from include.simulator.params import Params
from include.simulator.weights import (
    FUNDING_REQUESTS,
    FUNDING_WINDOW_S,
    FUTURES_WEIGHT_PER_MINUTE,
    WeightMeter,
)


class Venue:
    """What every request is answered from; all of it passes through the amendments."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        meter: WeightMeter,
        *,
        amendments: Amendments | None = None,
        futures_meter: WeightMeter | None = None,
    ) -> None:
        """Serve ``engine`` as spot and what stands beside it as futures."""
        self.clock = clock
        self.meter = meter
        self.futures_meter = futures_meter or WeightMeter(FUTURES_WEIGHT_PER_MINUTE)
        self.funding_meter = WeightMeter(FUNDING_REQUESTS, window_s=FUNDING_WINDOW_S)
        self.amendments = amendments or Amendments()
        self.engine = AmendedEngine(engine, self.amendments, SPOT)
        self.futures = AmendedEngine(engine.futures(), self.amendments, USDM)
        self.funding = FundingBook(self.futures)
        self.archive = Archive(self.engine, self.futures, self.funding)

    def market(self, venue: str) -> AmendedEngine:
        """Return the engine of ``spot`` or ``usdm``."""
        return self.futures if venue == USDM else self.engine

    def meters(self) -> dict[str, WeightMeter]:
        """Return the meters by the names that endpoints use."""
        return {"spot": self.meter, "usdm": self.futures_meter, "funding": self.funding_meter}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path: ``answer`` returns JSON text and may take long, so it runs in a thread.

    ``weigh`` returns what a query weighs for the meter called ``meter``; ``tells_weight`` is
    whether answers state what has been used.
    """

    weigh: Callable[[Mapping[str, str]], int]
    known: tuple[str, ...]
    answer: Callable[[Venue, Params], str]
    meter: str = field(default="spot", kw_only=True)
    tells_weight: bool = field(default=True, kw_only=True)


def always(weight: int) -> Callable[[Mapping[str, str]], int]:
    """Return a weight that no parameter changes."""
    return lambda _: weight
