"""What is absent is looked for until it is there or proven absent, and never taken for data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from include.exchanges.base import CandlePage
from include.exchanges.binance_archive.client import BinanceArchive
from include.jobs import repair_gaps
from include.jobs.ask_twice import Fetched
from include.market.errors import DepthExhaustedError, SourceUnavailableError
from include.market.span import Span, to_ms
from include.market.timeframe import DAY_MS, M1
from include.market.universe import Universe
from include.quality.looks import WAITS_MS
from include.warehouse.ledger import coverage
from tests.support.fault_lab import Lab, on_pages
from tests.support.invariants import check_all
from tests.support.river import River
from tests.support.simulator import run_simulator

# The ledger stamps what it finds with its own clock: the venue's must agree with it here.
NOW = datetime.now(UTC).replace(hour=9, minute=17, second=23, microsecond=0) - timedelta(days=1)
TODAY_MS = to_ms(NOW) // DAY_MS * DAY_MS
DAYS = Span(TODAY_MS - 6 * DAY_MS, TODAY_MS)
OUTAGE = Span(TODAY_MS - 5 * DAY_MS + 7 * 3_600_000, TODAY_MS - 2 * DAY_MS + 7 * 3_600_000)
"""Three days, across the ends of batches."""
HOLE = Span(TODAY_MS - DAY_MS + 100 * M1.length_ms, TODAY_MS - DAY_MS + 107 * M1.length_ms)
YESTERDAY = Span(TODAY_MS - DAY_MS, TODAY_MS)
SYMBOLS = ("BTCUSDT", "ETHUSDT")
MINUTES = (OUTAGE.end_ms - OUTAGE.start_ms) // M1.length_ms


@pytest.fixture(scope="module")
def simulated() -> Iterator[Lab]:
    with run_simulator(
        "--seed", "7", "--instruments", ",".join(SYMBOLS), "--clock", f"frozen:{to_ms(NOW)}",
        "--outages-per-year", "0", "--weight-limit", "1000000000",
    ) as url:  # fmt: skip
        yield Lab(url)


@pytest.fixture
def lab(simulated: Lab) -> Lab:
    simulated.reset()
    return simulated


@pytest.fixture
def river(loader_dsn: str, lab: Lab, tmp_path: Path) -> Iterator[River]:
    river = River(loader_dsn, lab.url, tmp_path, SYMBOLS)
    river.sync()
    yield river
    river.close()


def after(**wait: float) -> datetime:
    """Return an instant that long after what the ledger has stamped so far, and a little more."""
    return datetime.now(UTC) + timedelta(**wait) + timedelta(minutes=1)


def through(river: River, run_id: str) -> dict[str, int]:
    """Check, load and roll up what has landed; return what the load says."""
    river.check()
    loaded = river.load(run_id=run_id)
    river.cascade(run_id=run_id)
    return loaded


def gaps(river: River, *, is_open: bool = True) -> list[tuple[str, int, bool]]:
    rows = river.conn.execute(
        "SELECT reason, attempts, given_up_at IS NOT NULL FROM ledger.gap WHERE closed_at IS "
        f"{'' if is_open else 'NOT'} NULL ORDER BY instrument_id, span_start"
    )
    return [(str(reason), int(attempts), bool(over)) for reason, attempts, over in rows.fetchall()]


def ask(river: River, text: str) -> Any:
    row = river.conn.execute(text).fetchone()
    assert row is not None
    return row[0] if len(row) == 1 else row


def amend_outage(lab: Lab, span: Span, **options: str) -> None:
    rule = {"kind": "outage", "venue": "spot", "start": span.start_ms, "end": span.end_ms}
    lab.amend({**rule, **options})


def test_three_days_the_source_had_lost_are_repaired_and_everything_follows(
    lab: Lab, river: River
) -> None:
    amend_outage(lab, OUTAGE)
    river.backfill(DAYS, run_id="history")
    through(river, "history")
    assert {reason for reason, *_ in gaps(river)} == {"outage"}
    detected = "ledger.venue_outage WHERE source = 'detected'"
    outage = ask(river, f"SELECT count(*), min(span_start), max(span_end) FROM {detected}")
    assert outage == (1, OUTAGE.start_time, OUTAGE.end_time), "once, although batches cut it"
    assert river.model()["instruments"] == 2
    river.publish()
    before = ask(river, "SELECT count(*) FROM market.candle_4h")
    assert before == 2 * (6 * 6 - 17), "no coarse candle is made of nothing"

    # The venue publishes late what it had lost; nobody but the repair is told.
    lab.restore()
    assert river.repair(run_id="early", at=after(minutes=30)).get("rows", 0) == 0
    done = river.repair(run_id="repair", at=after(hours=1))
    assert done["rows"] == 2 * MINUTES
    assert through(river, "repair")["inserted"] == 2 * MINUTES
    assert gaps(river) == []
    told = "SELECT DISTINCT reason FROM ledger.change WHERE span_start >= %s AND span_end <= %s"
    reasons = river.conn.execute(f"{told} AND dataset = 'candle_1m' ORDER BY 1",
                                 (OUTAGE.start_time, OUTAGE.end_time)).fetchall()  # fmt: skip
    assert ("repaired",) in reasons
    assert ask(river, "SELECT count(*) FROM market.candle_4h") == 2 * 36
    assert river.model()["instruments"] == 2, "the channels are fitted anew"
    assert river.publish()["charts"] == 2
    check_all(river.dsn, river.venue_url, SYMBOLS)
    # An outage in which everybody traded was none.
    assert river.repair(run_id="again", at=after(hours=7))["withdrawn"] == 1
    assert ask(river, f"SELECT count(*) FROM {detected} AND withdrawn_at IS NULL") == 0


def test_a_silence_that_has_not_ended_is_asked_for_until_the_venue_speaks(
    lab: Lab, river: River
) -> None:
    amend_outage(lab, Span(OUTAGE.end_ms, TODAY_MS + DAY_MS))
    river.backfill(DAYS, run_id="history")
    through(river, "history")
    done = river.repair(run_id="one", at=after(minutes=10))
    assert done.get("proven", 0) == 0
    assert {reason for reason, *_ in gaps(river)} == {"unknown"}
    assert coverage(river.conn, "candle_1m", 1) == [Span(DAYS.start_ms, OUTAGE.end_ms)]
    coarse = "SELECT max(open_time) FROM market.candle_4h"
    assert to_ms(ask(river, coarse)) < OUTAGE.end_ms
    lab.restore()
    assert river.repair(run_id="soon", at=after(minutes=20)).get("rows", 0) == 0, "not yet due"
    assert river.repair(run_id="two", at=after(minutes=45))["filled"] == 2
    through(river, "two")
    assert gaps(river) == []
    assert coverage(river.conn, "candle_1m", 1) == [DAYS]
    check_all(river.dsn, river.venue_url, SYMBOLS)


def test_a_minute_one_instrument_lacks_is_proven_absent_by_looks_apart(
    lab: Lab, river: River
) -> None:
    rule = {"kind": "missing", "venue": "spot", "symbol": "BTCUSDT"}
    lab.amend({**rule, "start": HOLE.start_ms, "end": HOLE.end_ms})
    river.backfill(YESTERDAY, run_id="history")
    through(river, "history")
    assert gaps(river) == [("unknown", 1, False)]
    assert river.repair(run_id="at once", at=after(minutes=5)).get("in_vain", 0) == 0
    assert river.repair(run_id="later", at=after(minutes=10))["proven"] == 1
    assert gaps(river) == [("unpublished", 2, False)]
    assert coverage(river.conn, "candle_1m", 1) == [YESTERDAY]
    river.cascade(run_id="later")
    # Five minutes of it are a bucket without a child, the rest lies in one that is told partial.
    assert ask(river, "SELECT count(*) FROM market.candle_5m WHERE instrument_id = 1") == 287
    check_all(river.dsn, river.venue_url, SYMBOLS)
    assert river.repair(run_id="recheck", at=after(hours=1))["in_vain"] == 1
    assert gaps(river) == [("unpublished", 3, False)]
    lab.restore()
    assert river.repair(run_id="mended", at=after(hours=6))["rows"] == 7
    assert through(river, "mended")["inserted"] == 7
    assert gaps(river) == []


def test_the_archive_is_asked_first_and_its_rows_say_so(
    river: River, monkeypatch: pytest.MonkeyPatch
) -> None:
    span = Span(YESTERDAY.start_ms - DAY_MS, YESTERDAY.start_ms)
    lost = Span(HOLE.start_ms - DAY_MS, HOLE.end_ms - DAY_MS)
    whole = river.source.candles

    def forgetful(*arguments: Any, **options: Any) -> Iterator[CandlePage]:
        for page in whole(*arguments, **options):
            opens = page.rows.open_ms
            kept = (opens < lost.start_ms) | (opens >= lost.end_ms)
            yield replace(page, rows=page.rows.take(kept))

    monkeypatch.setattr(river.source, "candles", forgetful)
    river.backfill(span, run_id="history")
    through(river, "history")
    assert {reason for reason, *_ in gaps(river)} == {"outage"}, "all of REST lacks it"
    river.archive = BinanceArchive(river.client, market="spot")
    assert river.repair(run_id="repair", at=after(hours=1))["rows"] == 14
    assert through(river, "repair")["inserted"] == 14
    assert gaps(river) == []
    sources = "SELECT source, count(*) FROM market.candle_1m GROUP BY 1 ORDER BY 1 LIMIT 1"
    assert ask(river, sources) == ("archive", 14)
    check_all(river.dsn, river.venue_url, SYMBOLS)


def test_archive_and_venue_confirm_each_other(lab: Lab, river: River) -> None:
    lost = Span(HOLE.start_ms - DAY_MS, HOLE.end_ms - DAY_MS)
    rule = {"kind": "missing", "venue": "spot", "symbol": "BTCUSDT"}
    lab.amend({**rule, "start": lost.start_ms, "end": lost.end_ms})
    river.backfill(Span(YESTERDAY.start_ms - DAY_MS, YESTERDAY.start_ms), run_id="history")
    through(river, "history")
    river.archive = BinanceArchive(river.client, market="spot")
    assert river.repair(run_id="repair", at=after(minutes=10))["proven"] == 1
    looks = ask(river, "SELECT proof -> 'looks' FROM ledger.gap")
    assert [(look["way"], look["neighbours"]) for look in looks] == [
        ("rest", True),
        ("archive", True),
        ("rest", True),
    ]
    assert gaps(river) == [("unpublished", 2, False)]


def test_rows_that_were_refused_are_not_landed_again_and_again(lab: Lab, river: River) -> None:
    lab.break_things(on_pages("negative_price", span=YESTERDAY, row=10, seed=3))
    river.backfill(YESTERDAY, run_id="history")
    through(river, "history")
    refused = ask(river, "SELECT count(*) FROM ledger.gap WHERE proof ? 'refused_in_landing'")
    assert refused > 0
    landings = ask(river, "SELECT count(*) FROM ledger.landing")
    lab.lift()
    done = river.repair(run_id="mended", at=after(minutes=10))
    assert done["filled"] == refused
    assert ask(river, "SELECT count(*) FROM ledger.landing") == landings + refused
    through(river, "mended")
    assert gaps(river) == []


def test_rows_that_are_held_back_every_time_are_asked_for_ever_more_rarely(
    lab: Lab, river: River, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.break_things(on_pages("negative_price", span=YESTERDAY, row=10, seed=3))
    river.backfill(YESTERDAY, run_id="history")
    through(river, "history")
    known = gaps(river)
    assert known
    # The venue goes on stating what cannot be, each time in other words.
    lab.lift()
    asked = repair_gaps.fetch_windows

    def negative(*arguments: Any) -> Fetched:
        found = asked(*arguments)
        return replace(found, rows=replace(found.rows, values=-found.rows.values))

    monkeypatch.setattr(repair_gaps, "fetch_windows", negative)
    monkeypatch.setattr(repair_gaps, "refused_rows", lambda *_: frozenset())
    at = after(minutes=10)
    first = river.repair(run_id="first", at=at)
    assert (first["filled"], first.get("held", 0)) == (len(known), 0)
    through(river, "first")
    assert ask(river, "SELECT count(*) FROM ledger.landing WHERE state = 'held'") == len(known)
    assert gaps(river) == known, "what lands is no look in vain yet"
    at += timedelta(minutes=31)
    assert river.repair(run_id="again", at=at)["held"] == len(known)
    assert {attempts for _, attempts, _ in gaps(river)} == {2}
    wait = timedelta(milliseconds=WAITS_MS[1])
    assert "held" not in river.repair(run_id="early", at=at + wait - timedelta(seconds=1))
    river.conn.execute("UPDATE ledger.gap SET attempts = %s", (len(WAITS_MS),))
    assert river.repair(run_id="last", at=at + wait)["given_up"] == len(known)
    assert {(reason, over) for reason, _, over in gaps(river)} == {("unknown", True)}
    assert coverage(river.conn, "candle_1m", 1)[0].end_ms < YESTERDAY.end_ms, "nothing is proven"


def test_the_very_rows_that_were_refused_prove_nothing_new(
    lab: Lab, river: River, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.break_things(on_pages("negative_price", span=YESTERDAY, row=10, seed=3))
    river.backfill(YESTERDAY, run_id="history")
    through(river, "history")
    lab.lift()
    raw = ask(river, "SELECT payload FROM ledger.quarantine ORDER BY open_time LIMIT 1")
    assert raw
    monkeypatch.setattr("include.jobs.repair_gaps.same_text", lambda _: "one of them")
    monkeypatch.setattr("include.jobs.repair_gaps.refused_rows", lambda *_: {"one of them"})
    done = river.repair(run_id="same", at=after(minutes=10))
    assert done.get("rows", 0) == 0
    assert {(reason, attempts) for reason, attempts, _ in gaps(river)} == {("unknown", 2)}


def test_a_venue_that_does_not_answer_puts_off_and_hides_no_other(
    lab: Lab, river: River, monkeypatch: pytest.MonkeyPatch
) -> None:
    amend_outage(lab, Span(HOLE.start_ms, TODAY_MS + DAY_MS))
    river.backfill(YESTERDAY, run_id="history")
    through(river, "history")
    lab.restore()
    whole = river.source.candles

    def broken(symbol: str, *arguments: Any, **options: Any) -> Iterator[CandlePage]:
        if symbol == "BTCUSDT":
            raise SourceUnavailableError("no route to host")
        return whole(symbol, *arguments, **options)

    monkeypatch.setattr(river.source, "candles", broken)
    done = river.repair(run_id="one", at=after(minutes=10))
    assert (done["failed"], done["filled"]) == (1, 1)
    assert gaps(river)[0] == ("fetch_failed", 2, False)
    proof = ask(river, "SELECT proof ->> 'error' FROM ledger.gap WHERE reason = 'fetch_failed'")
    assert "no route to host" in proof
    monkeypatch.undo()
    through(river, "one")
    assert river.repair(run_id="two", at=after(minutes=45))["filled"] == 1
    through(river, "two")
    assert gaps(river) == []


def test_what_a_venue_no_longer_keeps_is_called_so(
    lab: Lab, river: River, monkeypatch: pytest.MonkeyPatch
) -> None:
    amend_outage(lab, Span(HOLE.start_ms, TODAY_MS + DAY_MS))
    river.backfill(YESTERDAY, run_id="history")
    through(river, "history")

    def forgotten(*_: Any, **__: Any) -> Iterator[CandlePage]:
        raise DepthExhaustedError("kept for an hour", oldest_ms=TODAY_MS)

    monkeypatch.setattr(river.source, "candles", forgotten)
    assert river.repair(run_id="one", at=after(minutes=10))["failed"] == 2
    assert {reason for reason, *_ in gaps(river)} == {"depth_exhausted"}


def test_a_look_reaches_no_further_back_than_the_venue_keeps(
    lab: Lab, river: River, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = 33 * 60
    closed_ms = M1.floor_ms(to_ms(NOW))
    traits = replace(river.source.traits, depth_candles=kept)
    monkeypatch.setattr(type(river.source), "traits", traits)
    amend_outage(lab, Span(HOLE.start_ms, TODAY_MS + DAY_MS))
    river.universe = Universe({river.venue: SYMBOLS[:1]})
    river.backfill(YESTERDAY, run_id="history")
    through(river, "history")
    asked: list[Span] = []
    whole = river.source.candles

    def watched(symbol: str, timeframe: Any, span: Span, **options: Any) -> Iterator[CandlePage]:
        asked.append(span)
        return whole(symbol, timeframe, span, **options)

    monkeypatch.setattr(river.source, "candles", watched)
    assert river.repair(run_id="one", at=after(minutes=10))["in_vain"] == 1
    assert [span.start_ms for span in asked] == [closed_ms - (kept - 1) * M1.length_ms]


def test_looks_in_vain_grow_rarer_and_are_given_up(lab: Lab, river: River) -> None:
    amend_outage(lab, Span(HOLE.start_ms, TODAY_MS + DAY_MS))
    river.backfill(YESTERDAY, run_id="history")
    through(river, "history")
    at = after(minutes=10)
    for wait_ms in WAITS_MS[1:]:
        assert river.repair(run_id="look", at=at)["in_vain"] == 2
        at += timedelta(milliseconds=wait_ms)
    assert river.repair(run_id="last", at=at)["given_up"] == 2
    attempts = len(WAITS_MS) + 1
    assert gaps(river) == [("unknown", attempts, True)] * 2
    never = river.repair(run_id="never", at=at + timedelta(days=365))
    assert not any(never.values())
    assert coverage(river.conn, "candle_1m", 1)[-1].end_ms == HOLE.start_ms
    # Who asks all the same is served, and nothing remains of it.
    lab.restore()
    river.backfill(YESTERDAY, run_id="asked")
    through(river, "asked")
    assert gaps(river) == []


def test_days_nobody_asked_for_are_found_and_asked_for(lab: Lab, river: River) -> None:
    first, last = (Span(TODAY_MS - n * DAY_MS, TODAY_MS - (n - 1) * DAY_MS) for n in (3, 1))
    river.backfill(first, run_id="first")
    river.backfill(last, run_id="last")
    river.check()
    assert river.repair(run_id="early", at=after(hours=1))["unasked"] == 0, "nothing is loaded"
    through(river, "history")
    assert river.repair(run_id="filling", at=after(minutes=30))["unasked"] == 0, "more may follow"
    done = river.repair(run_id="note", at=after(hours=1))
    assert (done["unasked"], done["filled"], done["rows"]) == (2, 2, 2 * 1440)
    assert gaps(river) == [("unknown", 1, False)] * 2
    through(river, "note")
    assert coverage(river.conn, "candle_1m", 1) == [Span(first.start_ms, last.end_ms)]
    assert gaps(river) == []


def test_files_are_not_asked_again(river: River, monkeypatch: pytest.MonkeyPatch) -> None:
    class Still:
        is_live, absent_means = False, "unknown"

    monkeypatch.setattr(type(river.source), "traits", Still())
    assert not any(river.repair(run_id="files", at=after()).values())
