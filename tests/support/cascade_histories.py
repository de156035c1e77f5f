"""A thousand random histories at once: each instrument lives one of its own.

Instruments know nothing of each other, so one round gives every one of them another fate: rows that
come early, late, twice or changed, spans proven or not, candles withdrawn. The stages run between
rounds in every way they can, are killed at a random statement, or stay away.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import psycopg

from include.jobs import cascade as job
from include.market.candle import ABSENT_COUNT, FLOAT_COLUMNS, OPTIONAL_COLUMNS
from include.market.span import Span, merge_spans, to_ms
from include.market.timeframe import CASCADE, M1, TIMEFRAMES, Timeframe
from include.warehouse.engine import Connection
from include.warehouse.partitions import ensure_partitions
from include.warehouse.rows import Delivery, load_rows
from include.warehouse.settlement import Proof, extend_coverage
from tests.include.cascade.frames import roll_up_naively
from tests.support.warehouse import START, START_MS, minutes, moment, seed_reference

WINDOW = 480
"""Minutes of a history: two buckets of the coarsest timeframe."""
VOLUMES = np.array([0.0, 0.1, 0.2, 0.3, 1e-3, 7.7, 1e16, 1e-30])
WAYS = ("stay away", "one by one", "shuffled", "all", "own", "killed", "killed all", "hidden")
COLUMNS = (*FLOAT_COLUMNS, "trade_count", "flags")


class KilledError(Exception):
    """The process ended here."""


class Histories:
    """One warehouse with ``count`` instruments, and what may happen to them."""

    def __init__(self, connection: Connection, count: int, seed: int) -> None:
        """Make the instruments known; ``connection`` is autocommit."""
        self.connection = connection
        self.draw = np.random.default_rng(seed)
        connection.autocommit = False
        ids = seed_reference(connection, [f"S{number:04d}USDT" for number in range(count)])
        connection.autocommit = True
        # As a load does: to make one later would wait for every transaction that is open.
        ensure_partitions(connection, TIMEFRAMES.values(), minutes(0, WINDOW))
        self.ids = np.array(sorted(ids.values()))
        self.ever: dict[int, list[Span]] = defaultdict(list)
        self.used: set[str] = set()
        self.rounds = 0

    def live(self, rounds: int) -> None:
        """Let ``rounds`` rounds pass, and the stages come to rest."""
        # Dealt like cards, so that none is missed.
        decks = -(-2 * rounds // len(WAYS))
        ways = [way for _ in range(decks) for way in self.draw.permutation(WAYS).tolist()]
        for _ in range(rounds):
            self.deliver()
            self.cascade(ways.pop())
            self.withdraw()
            self.cascade(ways.pop())
        # With patience: an automatic ANALYZE may hide changes for a moment.
        self._arrows(list(CASCADE))

    def deliver(self) -> None:
        """Give about half of the instruments a delivery of rows, and prove some of its span."""
        self.rounds += 1
        owners, found, proofs = list[int](), list[int](), []
        for instrument_id in self.ids[self.draw.random(len(self.ids)) < 0.55].tolist():
            span = self._span(WINDOW if self.draw.random() < 0.3 else 40)
            places = self._places(span)
            owners += [instrument_id] * len(places)
            found += places
            parts = [minutes(place, place + 1) for place in places]
            if self.draw.random() < 0.6:
                parts = [minutes(*span)]
            proofs.append((instrument_id, merge_spans(parts)))
        frame = self._rows(owners, found)
        whole = Delivery(source="rest", run_id=f"round {self.rounds}", span=minutes(0, WINDOW))
        receipt = load_rows(self.connection, "market.candle_1m", frame, whole)
        assert receipt.quarantined == 0
        with self.connection.transaction():
            # What gaps come to is another matter; here they would only be in the way.
            self.connection.execute("UPDATE ledger.gap SET closed_at = now()")
            told = [Proof(owner, spans, receipt.load_id) for owner, spans in proofs]
            extend_coverage(self.connection, "candle_1m", told)
        for owner, spans in proofs:
            self.ever[owner] = merge_spans([*self.ever[owner], *spans])

    def withdraw(self, connection: Connection | None = None, share: float = 0.25) -> None:
        """Take back a span of some instruments, explained or not."""
        chosen = self.ids[self.draw.random(len(self.ids)) < share].tolist()
        spans = [(0, WINDOW) if self.draw.random() < 0.15 else self._span(20) for _ in chosen]
        reasons = self.draw.choice(["unknown", "no_trade", "outage"], len(chosen)).tolist()
        (connection or self.connection).execute(
            "SELECT market.withdraw_candles(i, f, t, 'wrong', r) FROM unnest(%s::int[], "
            "%s::timestamptz[], %s::timestamptz[], %s::text[]) AS w (i, f, t, r) ORDER BY i",
            (chosen, [moment(a) for a, _ in spans], [moment(b) for _, b in spans], reasons),
        )

    def cascade(self, way: str) -> None:
        """Let the stages run in one of ``WAYS``."""
        self.used.add(way)
        arrows = list(CASCADE)
        if way == "shuffled":
            self.draw.shuffle(arrows)  # type: ignore[arg-type]
        with patch.object(job, "HIDDEN_S", 0.0), patch.object(job, "LIVE_CHILDREN", 5_000):
            if way in ("one by one", "shuffled"):
                self._arrows(arrows)
            elif way == "all":
                job.cascade_all(self.connection, run_id=way)
            elif way == "own":
                self._own()
            elif way == "hidden":
                self._hidden()
            elif way != "stay away":
                self._killed(way)

    def _arrows(self, arrows: list[tuple[Timeframe, Timeframe]]) -> None:
        for source, target in arrows:
            job.cascade_changes(self.connection, source, target, run_id="stage")

    def _own(self) -> None:
        """Change rows and roll them up in one transaction, and change one more in the end."""
        with self.connection.transaction():
            self.withdraw(share=0.1)
            job.cascade_all(self.connection, run_id="own")
            self.withdraw(share=0.02)

    def _hidden(self) -> None:
        """Run everything while an older transaction is open, which commits afterwards."""
        with psycopg.connect(self.connection.info.dsn, password=_password(self.connection)) as old:
            self.withdraw(old, share=0.05)
            job.cascade_all(self.connection, run_id="hidden")

    def _killed(self, way: str) -> None:
        try:
            with dying_after(int(self.draw.integers(1, 60))):
                if way == "killed":
                    self._arrows(list(CASCADE))
                else:
                    self._own()
        except KilledError:
            pass

    def _span(self, most: int) -> tuple[int, int]:
        start = int(self.draw.integers(0, WINDOW))
        return start, int(min(WINDOW, start + self.draw.integers(1, most + 1)))

    def _places(self, span: tuple[int, int]) -> list[int]:
        count = min(span[1] - span[0], int(self.draw.integers(1, 13)))
        found: list[int] = self.draw.choice(np.arange(*span), count, replace=False).tolist()
        return found

    def _rows(self, owners: list[int], places: list[int]) -> pd.DataFrame:
        """Return a candle for each instrument and minute; some deliveries lack columns."""
        count = len(places)
        price = self.draw.integers(90, 110, (4, count)).astype(float)
        columns: dict[str, Any] = {
            "instrument_id": owners,
            "open_time": [moment(place) for place in places],
            "open": price[0],
            "close": price[1],
            "high": price.max(axis=0),
            "low": price.min(axis=0),
            **{name: self.draw.choice(VOLUMES, count) for name in FLOAT_COLUMNS[4:]},
            "trade_count": pd.array(self.draw.integers(0, 9, count), dtype="Int64"),
            "flags": self.draw.choice([0, 0, 0, 0, 1, 2, 3], count).astype(np.int16),
        }
        frame = pd.DataFrame(columns)
        poor = (frame["instrument_id"] + self.rounds) % 10 == 0
        frame.loc[poor, ["quote_volume", "taker_buy_volume"]] = np.nan
        frame.loc[poor, "trade_count"] = pd.NA
        return frame


@contextmanager
def dying_after(statements: int) -> Iterator[None]:
    """Raise at the statement with this number, counted from now."""
    left = [statements]
    execute = psycopg.Cursor.execute

    def counted(self: Any, *arguments: Any, **options: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            raise KilledError
        return execute(self, *arguments, **options)

    with patch.object(psycopg.Cursor, "execute", counted):
        yield


def stored_candles(
    connection: Connection, timeframe: Timeframe
) -> dict[int, dict[int, dict[str, Any]]]:
    """Return what is stored, plainly read: by instrument and open time in ms."""
    children = ("children_present", "children_expected") if timeframe != M1 else ()
    names = (*COLUMNS, *children)
    found: dict[int, dict[int, dict[str, Any]]] = defaultdict(dict)
    rows = connection.execute(
        f"SELECT instrument_id, open_time, {', '.join(names)} FROM market.{timeframe.dataset}"
    )
    for owner, open_time, *values in rows:
        row = dict(zip(names, values, strict=True))
        for name in OPTIONAL_COLUMNS:
            if row[name] is None:
                row[name] = ABSENT_COUNT if name == "trade_count" else math.nan
        found[owner][to_ms(open_time)] = {"open_time": to_ms(open_time), **row}
    return found


def covered(connection: Connection, timeframe: Timeframe) -> dict[int, list[Span]]:
    """Return the coverage of every instrument."""
    rows = connection.execute(
        "SELECT instrument_id, covered FROM ledger.coverage WHERE dataset = %s",
        (timeframe.dataset,),
    )
    return {
        owner: [Span(to_ms(part.lower), to_ms(part.upper)) for part in parts]
        for owner, parts in rows
    }


def check_histories(histories: Histories) -> int:
    """Assert that every level is what a roll-up from scratch gives; return candles compared.

    A bucket that is proven now has to be built; one that was never proven has not to be there.
    """
    connection = histories.connection
    compared = 0
    for source, target in CASCADE:
        children, stored = stored_candles(connection, source), stored_candles(connection, target)
        proven, built = covered(connection, source), covered(connection, target)
        for owner in histories.ids.tolist():
            own = _buckets(built.get(owner, []), target)
            assert _buckets(proven.get(owner, []), target) <= own, (target.label, owner)
            assert own <= _buckets(histories.ever[owner], target), (target.label, owner)
            rows = [
                row for row in children[owner].values() if target.floor_ms(row["open_time"]) in own
            ]
            scratch = roll_up_naively(rows, source, target)
            assert _bits(scratch) == _bits(stored[owner].values()), (target.label, owner)
            compared += len(scratch)
    return compared


def _buckets(spans: list[Span], target: Timeframe) -> set[int]:
    """Return the open times of the whole buckets within spans."""
    return {
        open_ms
        for span in spans
        for open_ms in range(target.ceil_ms(span.start_ms), span.end_ms, target.length_ms)
        if open_ms + target.length_ms <= span.end_ms
    }


def _bits(rows: Any) -> list[tuple[tuple[str, str], ...]]:
    """Return rows as text that tells every bit, absent values included."""
    return sorted(
        tuple(
            (name, float(value).hex() if isinstance(value, float) else str(value))
            for name, value in sorted(row.items())
        )
        for row in rows
    )


def _password(connection: Connection) -> str:
    return connection.pgconn.password.decode() if connection.pgconn.password else ""


def window() -> tuple[Any, Any]:
    """Return the first instant of the histories, and the first after them."""
    return START, START + timedelta(milliseconds=minutes(0, WINDOW).end_ms - START_MS)
