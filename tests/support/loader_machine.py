"""The loader against the dictionary: Hypothesis chooses what happens, the model what comes of it.

Few keys and few values, so that rows meet: on the wide plain everything would be new.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule

from include.market.errors import ContractError, RetryableError, StaleFenceError
from include.warehouse.engine import Connection, connect
from include.warehouse.fence import take_fence
from include.warehouse.gaps import Gap
from include.warehouse.landing import Landing
from include.warehouse.loader import load_candles, load_scope
from include.warehouse.merge import LoadReceipt
from include.warehouse.parked import retry_parked
from include.warehouse.reference import instrument_ids, rename_instrument, sync_instruments
from tests.support.loader_invariants import check_ledger
from tests.support.loader_model import Landed, LoaderModel, Word
from tests.support.loader_world import land, wait_until_gone
from tests.support.warehouse import VENUE, candles, instrument, minutes, moment, query
from tests.support.wire_proxy import WireProxy

# Children first. A few rows are deleted in no time; truncating so many tables takes long.
EMPTIED = (
    "market.candle_1m", "market.candle_revision", "ledger.change", "ledger.coverage", "ledger.gap",
    "ledger.quarantine", "ledger.verdict", "ledger.landing", "ledger.load", "ledger.fence",
    "market.corporate_action", "market.instrument_alias", "market.instrument_history",
    "market.instrument",
)  # fmt: skip
OFTEN = st.sampled_from(["BTCUSDT"] * 5 + ["ETHUSDT", "ETHUSDT", "NEWUSDT", "XBTUSDT"])
FIRST, LENGTH = st.integers(0, 1), st.integers(1, 3)
ROW = st.tuples(st.integers(0, 3), st.integers(1, 2))
ROWS = st.lists(ROW, min_size=1, max_size=7)
SOURCES = st.sampled_from(["rest"] * 3 + ["archive", "stream"])
REASONS = st.sampled_from([None, None, None, "outage", "no_trade"])
WHOLE = {"first": FIRST, "length": LENGTH, "rows": ROWS, "source": SOURCES, "reason": REASONS}
FILE = {"symbol": OFTEN, **WHOLE}
# Short spans, so that some loads speak for all of theirs.
PART = st.fixed_dictionaries(
    WHOLE | {"length": st.integers(1, 2), "rows": st.lists(ROW, min_size=1, max_size=3)}
)

MOST_NAMES = 4

Known = tuple[Landing, Landed]


class LoaderMachine(RuleBasedStateMachine):
    """Rules are what can happen to the loader; after each, the table is the model."""

    landed: Bundle[Known] = Bundle("landed")
    connection: Connection
    proxy: WireProxy
    ranks: dict[str, int]

    def __init__(self) -> None:
        """Begin with two instruments and nothing else."""
        super().__init__()
        self.connection.rollback()
        for table in EMPTIED:
            self.connection.execute(f"DELETE FROM {table}")
        self.model = LoaderModel({"BTCUSDT": "BTC", "ETHUSDT": "ETH"})
        self.ids: dict[str, int] = {}
        self.order = 0
        self.names_settled_at: object = "-infinity"
        self._sync("BTC", instrument("BTCUSDT"), at=0)
        self._sync("ETH", instrument("ETHUSDT"), at=0)

    @rule(target=landed, **FILE)
    def land(self, **file: Any) -> Known:
        """A file lands and passes the check; it may be loaded at any later time, or never."""
        return self.land_file(**file)

    @rule(target=landed, **FILE)
    def land_and_load(self, **file: Any) -> Known:
        """A file goes straight through, as most do."""
        known = self.land_file(**file)
        self.load_known(known)
        return known

    @rule(known=landed)
    def load(self, known: Known) -> None:
        """A landing is loaded, for the first time or again."""
        self.load_known(known)

    @rule(
        symbol=OFTEN,
        files=st.lists(PART, min_size=2, max_size=3),
        order=st.randoms(use_true_random=False),
    )
    def land_some_and_load_them_in_any_order(
        self, symbol: str, files: list[dict[str, Any]], order: random.Random
    ) -> None:
        """What landed first need not be loaded first: parallel tasks do as they please."""
        known = [self.land_file(symbol, **file) for file in files]
        order.shuffle(known)
        for one in known:
            self.load_known(one)

    @rule(known=landed, step=st.integers(1, 30), answer_lost=st.booleans())
    def cut(self, known: Known, step: int, answer_lost: bool) -> None:
        """The connection breaks at any step of a load, before the server heard of it or after."""
        landing, one = known
        token = take_fence(self.connection, load_scope(landing))
        before = self._loads()
        with closing(connect(self.proxy.dsn, application="torn")) as torn:
            (self.proxy.cut_answer_at if answer_lost else self.proxy.cut_at)(step)
            try:
                self._try(torn, known, token)
            except RetryableError:
                assert self.proxy.struck.is_set()
        self.proxy.clear()
        wait_until_gone(self.connection, "torn")
        # All of it or nothing: whoever was not answered cannot know which, but may try again.
        if self._loads() > before:
            self.model.load(one)

    @rule(known=landed)
    def orphan(self, known: Known) -> None:
        """An orphaned try comes after a newer one has taken the fence."""
        stale = take_fence(self.connection, load_scope(known[0]))
        take_fence(self.connection, load_scope(known[0]))
        self._refused(StaleFenceError, lambda: self._try(self.connection, known, stale))

    @rule(known=landed)
    def stumble(self, known: Known) -> None:
        """A load fails after its rows were judged: its receipt is refused by a constraint."""
        token = take_fence(self.connection, load_scope(known[0]))
        self.connection.execute(
            "ALTER TABLE ledger.load ADD CONSTRAINT planted CHECK (run_id <> 'load') NOT VALID"
        )
        self.connection.commit()
        try:
            self._refused(ContractError, lambda: self._try(self.connection, known, token))
        finally:
            self.connection.execute("ALTER TABLE ledger.load DROP CONSTRAINT planted")
            self.connection.commit()

    @precondition(lambda self: len(self.model.aliases) < MOST_NAMES)
    @rule(what=st.sampled_from(["rename", "relist", "list"]), place=st.integers(1, 3))
    def change_names(self, what: str, place: int) -> None:
        """A symbol is given up for another, given to another, or heard of for the first time."""
        if what == "list" and self.model.open_alias("NEWUSDT") is None:
            self._sync("NEW", instrument("NEWUSDT"), at=3)
            self.model.list("NEWUSDT", "NEW")
        if what == "rename" and self._is_borne_before("BTCUSDT", place):
            rename_instrument(
                self.connection, VENUE.name, old="BTCUSDT", new="XBTUSDT", renamed_at=moment(place)
            )
            self._commit_names()
            self.model.hand_over("BTCUSDT", "XBTUSDT", None, place)
        if what == "relist" and self._is_borne_before("ETHUSDT", place):
            owner = f"ETH{len(self.ids)}"
            self._sync(owner, instrument("ETHUSDT", base_asset=owner), at=place)
            self.model.hand_over("ETHUSDT", "ETHUSDT", owner, place)

    @precondition(lambda self: self.model.parked)
    @rule()
    def release(self) -> None:
        """What waited in quarantine is looked at again."""
        done = retry_parked(self.connection, run_id="release")
        fates = self.model.release()
        got = (done.inserted, done.updated, done.unchanged, done.quarantined)
        assert got == fates.counts
        assert done.released == sum(got)

    @invariant()
    def what_waits_is_what_nobody_knows(self) -> None:
        """Rows wait while their symbol means nothing, and until the next look at them."""
        waiting = query(
            self.connection, "SELECT count(*) FROM ledger.quarantine WHERE state = 'waiting'"
        )
        assert waiting == [(sum(len(one.rows) for one in self.model.parked),)]

    @invariant()
    def the_table_is_the_model(self) -> None:
        """I1, I2, I3: every accepted value, once, and the one that counts."""
        stored = query(
            self.connection,
            "SELECT instrument_id, (extract(epoch FROM open_time) - %s)::integer / 60, close, "
            "source, revision FROM market.candle_1m ORDER BY 1, 2",
            minutes(0, 1).start_ms // 1000,
        )
        assert stored == sorted(
            (self.ids[owner], place, held.price, held.source, len(held.revisions) + 1)
            for (owner, place), held in self.model.candles.items()
        )

    @invariant()
    def replaced_values_are_kept(self) -> None:
        """Every value that ever stood is there, in order."""
        kept = query(
            self.connection,
            "SELECT instrument_id, (extract(epoch FROM open_time) - %s)::integer / 60, revision, "
            "close FROM market.candle_revision ORDER BY 1, 2, 3",
            minutes(0, 1).start_ms // 1000,
        )
        assert kept == sorted(
            (self.ids[owner], place, number, price)
            for (owner, place), held in self.model.candles.items()
            for number, price in enumerate(held.revisions, 1)
        )

    @invariant()
    def every_refusal_names_its_rule(self) -> None:
        """I6: what was not stored lies in quarantine, under the rule it broke."""
        rules = query(self.connection, "SELECT rule, count(*) FROM ledger.quarantine GROUP BY 1")
        assert Counter(dict(rules)) == self.model.rules

    @invariant()
    def every_absence_is_written_down_and_coverage_is_proven(self) -> None:
        """I4, I5: of what was asked for, a minute is stored and covered, or an open gap."""
        spans = {
            "gap": "SELECT instrument_id, tstzrange(span_start, span_end), reason "
            "FROM ledger.gap WHERE closed_at IS NULL",
            "coverage": "SELECT instrument_id, unnest(covered), '' FROM ledger.coverage",
        }
        assert self._minutes_of(spans["gap"]) == sorted(
            (self.ids[owner], place, reason) for (owner, place), reason in self.model.gaps.items()
        )
        assert self._minutes_of(spans["coverage"]) == sorted(
            (number, place, "")
            for owner, number in self.ids.items()
            for place in self.model.covered(owner)
        )

    @invariant()
    def the_ledger_is_sound(self) -> None:
        """I1 to I6 as they hold for any warehouse."""
        check_ledger(self.connection, names_settled_at=self.names_settled_at)

    def check(self) -> None:
        """Assert every invariant now; Hypothesis does so by itself."""
        self.the_table_is_the_model()
        self.replaced_values_are_kept()
        self.every_refusal_names_its_rule()
        self.what_waits_is_what_nobody_knows()
        self.every_absence_is_written_down_and_coverage_is_proven()
        self.the_ledger_is_sound()

    def _minutes_of(self, spans: str) -> list[tuple[int, int, str]]:
        return query(
            self.connection,
            "SELECT owner, (extract(epoch FROM t) - %s)::integer / 60 AS place, reason "
            f"FROM ({spans}) AS s (owner, span, reason), generate_series(lower(span), "
            "upper(span) - interval '1 minute', interval '1 minute') AS t ORDER BY 1, 2",
            minutes(0, 1).start_ms // 1000,
        )  # type: ignore[return-value]

    def land_file(
        self,
        symbol: str,
        first: int,
        length: int,
        rows: list[tuple[int, int]],
        source: str,
        reason: str | None,
    ) -> Known:
        self.order += 1
        word = Word(self.ranks.get(source, 0), self.order)
        one = Landed(symbol, first, first + length, tuple(rows), source, word, reason)
        span = minutes(one.first, one.last)
        path = f"{self.order}"
        return land(
            self.connection, span, path=path, symbol=symbol, source=source, rows=len(rows)
        ), one

    def load_known(self, known: Known) -> None:
        token = take_fence(self.connection, load_scope(known[0]))
        receipt = self._try(self.connection, known, token)
        got = (receipt.inserted, receipt.updated, receipt.unchanged, receipt.quarantined)
        assert got == self.model.load(known[1]).counts

    def _try(self, connection: Connection, known: Known, token: int) -> LoadReceipt:
        landing, one = known
        return load_candles(
            connection,
            landing,
            candles([place for place, _ in one.rows], price=[price for _, price in one.rows]),
            source=one.source,
            run_id="load",
            fencing_token=token,
            gaps=[] if one.reason is None else [Gap(landing.span, one.reason)],  # type: ignore[arg-type]
        )

    def _refused(self, error: type[Exception], attempt: Callable[[], object]) -> None:
        try:
            attempt()
        except error:
            return
        raise AssertionError(f"expected {error.__name__}")

    def _loads(self) -> int:
        return int(query(self.connection, "SELECT count(*) FROM ledger.load")[0][0])

    def _is_borne_before(self, symbol: str, place: int) -> bool:
        alias = self.model.open_alias(symbol)
        return alias is not None and (alias.start is None or alias.start < place)

    def _sync(self, owner: str, record: Any, *, at: int) -> None:
        sync_instruments(self.connection, VENUE, [record], observed_at=moment(at))
        self._commit_names()
        self.ids[owner] = instrument_ids(self.connection, VENUE.name)[record.symbol]
        self.connection.commit()

    def _commit_names(self) -> None:
        self.connection.commit()
        self.names_settled_at = query(self.connection, "SELECT clock_timestamp()")[0][0]
