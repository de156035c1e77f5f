"""Landings whose every row tells which of them it came from, and the table they must come to."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from include.jobs.storage import write_frame
from include.market.span import Span, to_ms
from include.market.timeframe import M1
from include.warehouse.candles import read_candles
from include.warehouse.engine import Connection
from tests.support.loader_world import land
from tests.support.warehouse import MINUTE_MS, START_MS, candles, minutes, query

DAY = 1440


@dataclass(frozen=True)
class Sent:
    """A landing of one symbol; its candles all have the price ``order``, counted from 1."""

    landing_id: int
    symbol: str
    first: int
    last: int
    order: int


class KillWorld:
    """Files of a few symbols over some months; of two that overlap the one landed later counts."""

    def __init__(self, connection: Connection, folder: Path, ids: dict[str, int]) -> None:
        """Begin empty; ``ids`` are the instruments by symbol."""
        self.connection, self.folder, self.ids = connection, folder, ids
        self.sent: list[Sent] = []
        self.draw = random.Random(20240101)

    def send_small(self, count: int, *, days: int) -> list[Sent]:
        """Land ``count`` files of some hours, at random within the first ``days``."""
        found = []
        for _ in range(count):
            first = self.draw.randrange(days * DAY - 400)
            symbol = self.draw.choice(list(self.ids))
            found.append(self._send(symbol, first, first + self.draw.randrange(60, 400)))
        return found

    def send_month(self, start: datetime, *, days: int) -> list[Sent]:
        """Land the first ``days`` of a month for every symbol, in two files each."""
        first = (to_ms(start) - START_MS) // MINUTE_MS
        half, last = first + days * DAY // 2, first + days * DAY
        return [
            self._send(symbol, *part)
            for symbol in self.ids
            for part in ((first, half), (half, last))
        ]

    def check(self) -> set[int]:
        """Assert that the table is exactly the landings that are loaded; return their ids."""
        loaded = {
            row[0]
            for row in query(
                self.connection, "SELECT landing_id FROM ledger.landing WHERE state = 'loaded'"
            )
        }
        done = [one for one in self.sent if one.landing_id in loaded]
        span = minutes(0, max((one.last for one in self.sent), default=1))
        for symbol, instrument_id in self.ids.items():
            expected = _expect([one for one in done if one.symbol == symbol], span)
            stored = read_candles(self.connection, M1, instrument_id, Span(0, span.end_ms))
            self.connection.commit()
            found = np.zeros_like(expected)
            places = (stored["open_time"].astype("int64") // 1000 - START_MS) // MINUTE_MS
            found[places.to_numpy()] = stored["close"].to_numpy()
            wrong = np.flatnonzero(found != expected)
            assert wrong.size == 0, (
                f"{symbol}: {wrong.size} minutes are not of the last landing, the first is "
                f"{wrong[0]}: of {found[wrong[0]]}, expected {expected[wrong[0]]} (0 is absent)"
            )
        return loaded

    def _send(self, symbol: str, first: int, last: int) -> Sent:
        order = len(self.sent) + 1
        path = self.folder / f"{order}.parquet"
        write_frame(path, candles(range(first, last), price=float(order)))
        landing = land(
            self.connection,
            minutes(first, last),
            path=str(path),
            clean_path=str(path),
            symbol=symbol,
            rows=last - first,
        )
        self.sent.append(Sent(landing.landing_id, symbol, first, last, order))
        return self.sent[-1]


def _expect(sent: Sequence[Sent], span: Span) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    expected = np.zeros((span.end_ms - span.start_ms) // MINUTE_MS)
    for one in sorted(sent, key=lambda one: one.order):
        expected[one.first : one.last] = one.order
    return expected
