"""Another venue that stands in for one, and how it is opened."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from include.exchanges.base import CandleSource
from include.market.second_source import SecondSource


@dataclass(frozen=True, slots=True)
class SecondVenue:
    """Whom the operator chose; ``open`` is called only when a gap is due for it."""

    choice: SecondSource
    open: Callable[[], AbstractContextManager[CandleSource]]
