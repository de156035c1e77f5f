"""The loader against a dictionary: any sequence of landings, loads, orphans and crashes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from include.market.errors import ContractError, StaleFenceError
from include.warehouse.engine import Connection, connect
from include.warehouse.fence import take_fence
from include.warehouse.gaps import Gap
from include.warehouse.landing import Landing
from include.warehouse.loader import load_candles, load_scope
from tests.support.warehouse import (
    candles,
    checked_landing,
    load_landing,
    minutes,
    query,
    seed_reference,
)

SYMBOLS = ("BTCUSDT", "ETHUSDT", "NEWUSDT")
# Few keys and few values, so that rows meet: on the wide plain everything would be new.
FIRST, LENGTH = st.integers(0, 1), st.integers(1, 3)
ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 2)), min_size=1, max_size=7)
OFTEN = st.sampled_from(["BTCUSDT"] * 6 + ["ETHUSDT", "NEWUSDT"])
EMPTIED = (
    "market.candle_1m, market.candle_revision, ledger.change, ledger.coverage, ledger.gap, "
    "ledger.quarantine, ledger.verdict, ledger.landing, ledger.load, ledger.fence"
)


@dataclass(frozen=True)
class Landed:
    """A landing as the model knows it: what the venue said, and when in the order of landings."""

    landing: Landing
    first: int
    last: int
    rows: tuple[tuple[int, int], ...]
    order: int


@dataclass
class Stored:
    """A candle of the model: its value, and the newest landing known to stand behind it."""

    price: int
    order: int
    revisions: list[int] = field(default_factory=list)


class LoaderMachine(RuleBasedStateMachine):
    """Rules are what can happen to the loader; the dictionary is what must come of it."""

    landed = Bundle("landed")
    connection: Connection
    ids: dict[str, int]

    def __init__(self) -> None:
        super().__init__()
        self.connection.rollback()
        self.connection.execute(f"TRUNCATE {EMPTIED} RESTART IDENTITY CASCADE")
        self.connection.commit()
        self.model: dict[tuple[str, int], Stored] = {}
        self.asked: dict[str, set[int]] = {symbol: set() for symbol in SYMBOLS}
        self.order = 0

    @rule(
        target=landed,
        symbol=OFTEN,
        first=FIRST,
        length=LENGTH,
        rows=ROWS,
    )
    def land(self, symbol: str, first: int, length: int, rows: list[tuple[int, int]]) -> Landed:
        """A file lands and passes the check; it may be loaded at any later time, or never."""
        return self._land(symbol, first, length, rows)

    @rule(target=landed, symbol=OFTEN, first=FIRST, length=LENGTH, rows=ROWS)
    def land_and_load(
        self, symbol: str, first: int, length: int, rows: list[tuple[int, int]]
    ) -> Landed:
        """A file goes straight through, as most do."""
        one = self._land(symbol, first, length, rows)
        self._load(one)
        return one

    @rule(one=landed)
    def load(self, one: Landed) -> None:
        """A landing is loaded, for the first time or again."""
        self._load(one)

    def _land(self, symbol: str, first: int, length: int, rows: list[tuple[int, int]]) -> Landed:
        self.order += 1
        span = minutes(first, first + length)
        landing = checked_landing(
            self.connection, span, path=f"{self.order}", symbol=symbol, rows=len(rows)
        )
        return Landed(landing, first, first + length, tuple(rows), self.order)

    def _load(self, one: Landed) -> None:
        expected = self._expect(one)
        receipt = load_landing(self.connection, one.landing, self._frame(one))
        got = (receipt.inserted, receipt.updated, receipt.unchanged, receipt.quarantined)
        assert got == expected

    @rule(one=landed)
    def orphan(self, one: Landed) -> None:
        """An orphaned try comes after a newer one has taken the fence."""
        stale = take_fence(self.connection, load_scope(one.landing))
        take_fence(self.connection, load_scope(one.landing))
        self._fail(one, stale, StaleFenceError)

    @rule(one=landed)
    def crash(self, one: Landed) -> None:
        """A load fails in the middle, after its rows were judged: its receipt is refused."""
        token = take_fence(self.connection, load_scope(one.landing))
        self._fail(one, token, ContractError, source=None)

    @invariant()
    def the_table_is_the_model(self) -> None:
        """I1, I2, I3: every accepted value, once, and the one observed last."""
        stored = query(
            self.connection,
            "SELECT a.symbol, (extract(epoch FROM c.open_time) - %s) / 60, c.close, c.revision "
            "FROM market.candle_1m AS c JOIN market.instrument_alias AS a USING (instrument_id) "
            "ORDER BY 1, 2",
            minutes(0, 1).start_ms // 1000,
        )
        assert [(row[0], int(row[1]), row[2], row[3]) for row in stored] == [
            (symbol, place, held.price, len(held.revisions) + 1)
            for (symbol, place), held in sorted(self.model.items())
        ]

    @invariant()
    def replaced_values_are_kept(self) -> None:
        """Every value that ever stood is there, in order."""
        kept = query(
            self.connection,
            "SELECT a.symbol, (extract(epoch FROM r.open_time) - %s) / 60, r.close "
            "FROM market.candle_revision AS r JOIN market.instrument_alias AS a "
            "USING (instrument_id) ORDER BY 1, 2, r.revision",
            minutes(0, 1).start_ms // 1000,
        )
        assert [(row[0], int(row[1]), row[2]) for row in kept] == [
            (symbol, place, price)
            for (symbol, place), held in sorted(self.model.items())
            for price in held.revisions
        ]

    @invariant()
    def every_row_is_accounted_for(self) -> None:
        """I6: quarantine holds exactly the rows the receipts say, inserts are the rows stored."""
        assert query(
            self.connection,
            "SELECT count(*) FILTER (WHERE l.rows_quarantined <> (SELECT count(*) "
            "FROM ledger.quarantine AS q WHERE q.load_id = l.load_id)), "
            "coalesce(sum(l.rows_inserted), 0), coalesce(sum(l.rows_updated), 0) "
            "FROM ledger.load AS l",
        ) == [(0, len(self.model), sum(len(held.revisions) for held in self.model.values()))]

    @invariant()
    def every_absence_is_written_down_and_coverage_is_proven(self) -> None:
        """I4, I5: of what was asked for, a minute is stored and covered, or an open gap."""
        for symbol, instrument_id in self.ids.items():
            held = {place for known, place in self.model if known == symbol}
            assert self._minutes_of(
                "SELECT unnest(covered) FROM ledger.coverage WHERE instrument_id = %s",
                instrument_id,
            ) == sorted(self.asked[symbol] & held)
            assert self._minutes_of(
                "SELECT tstzrange(span_start, span_end) FROM ledger.gap "
                "WHERE closed_at IS NULL AND instrument_id = %s",
                instrument_id,
            ) == sorted(self.asked[symbol] - held)

    def _minutes_of(self, spans: str, instrument_id: int) -> list[int]:
        found = query(
            self.connection,
            "SELECT (extract(epoch FROM t) - %s) / 60 "
            f"FROM ({spans}) AS s (span), generate_series(lower(span), "
            "upper(span) - interval '1 minute', interval '1 minute') AS t ORDER BY 1",
            minutes(0, 1).start_ms // 1000,
            instrument_id,
        )
        return [int(minute) for (minute,) in found]

    def _frame(self, one: Landed) -> Any:
        return candles([place for place, _ in one.rows], price=[price for _, price in one.rows])

    def _fail(
        self, one: Landed, token: int, error: type[Exception], *, source: Any = "rest"
    ) -> None:
        try:
            load_candles(
                self.connection,
                one.landing,
                self._frame(one),
                source=source,
                run_id="r",
                fencing_token=token,
                gaps=[Gap(one.landing.span, "outage")],
            )
        except error:
            return
        raise AssertionError(f"expected {error.__name__}")

    def _expect(self, one: Landed) -> tuple[int, int, int, int]:
        """Load into the model; return inserted, updated, unchanged, quarantined."""
        symbol = one.landing.symbol
        if symbol == "NEWUSDT":
            return 0, 0, 0, len(one.rows)
        self.asked[symbol] |= set(range(one.first, one.last))
        inside = [row for row in one.rows if one.first <= row[0] < one.last]
        winners = dict(inside)
        repeats = sum(winners[place] == price for place, price in inside) - len(winners)
        quarantined = len(one.rows) - len(winners) - repeats
        inserted = updated = unchanged = superseded = 0
        for place, price in winners.items():
            held = self.model.get((symbol, place))
            if held is None:
                self.model[symbol, place] = Stored(price, one.order)
                inserted += 1
            elif held.price == price:
                unchanged += 1
            elif held.order > one.order:
                superseded += 1
            else:
                held.revisions.append(held.price)
                held.price, held.order = price, one.order
                updated += 1
        accepted = inserted + updated + unchanged + repeats
        if accepted == one.last - one.first:
            # Only a load of the whole span confirms the values it found.
            for place in winners:
                self.model[symbol, place].order = max(self.model[symbol, place].order, one.order)
        return inserted, updated, unchanged + repeats, quarantined + superseded


def test_the_loader_agrees_with_a_dictionary(warehouse_dsn: str) -> None:
    with connect(warehouse_dsn, application="test") as connection:
        LoaderMachine.connection = connection
        LoaderMachine.ids = seed_reference(connection, SYMBOLS[:2])
        run_state_machine_as_test(
            LoaderMachine,
            settings=settings(
                max_examples=25,
                stateful_step_count=20,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
