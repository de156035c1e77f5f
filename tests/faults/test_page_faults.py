"""R10 and R21 to R26: pages cut short, repeated, out of order, out of range, empty or stuck."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from include.exchanges.binance_usdm.client import BinanceUsdm
from include.market.candle import SNAPPED
from include.market.errors import CandlewickError, FinalError, SourceUnavailableError
from include.market.span import Span, from_ms
from include.market.timeframe import M1
from tests.faults.conftest import Open
from tests.support.fault_lab import (
    KLINES,
    MOST_REQUESTS,
    NIGHT,
    TODAY_MS,
    YESTERDAY,
    Lab,
    assert_complete,
    assert_honest,
    count,
    on_pages,
    run_through,
    settle,
)
from tests.support.invariants import ask_truth, check_honest
from tests.support.river import River, open_client

HOLE = Span(TODAY_MS + 100 * M1.length_ms, TODAY_MS + 107 * M1.length_ms)


def gaps(river: River, *, is_open: bool = True) -> list[tuple[str, Span]]:
    rows = river.conn.execute(
        "SELECT reason, span_start, span_end FROM ledger.gap WHERE dataset = 'candle_1m' "
        f"AND closed_at IS {'' if is_open else 'NOT'} NULL ORDER BY span_start"
    ).fetchall()
    minute = M1.length_ms
    return [
        (reason, Span(_ms(start) // minute * minute, _ms(end) // minute * minute))
        for reason, start, end in rows
    ]


def prove_by_another_look(river: River) -> None:
    """Let the repair look once more, a while later, and the cascade follow."""
    done = river.repair(run_id="look", at=datetime.now(UTC) + timedelta(minutes=11))
    assert (done["proven"], done.get("rows", 0)) == (1, 0)
    river.cascade(run_id="look")


def _ms(instant: Any) -> int:
    return int(instant.timestamp() * 1000)


def repetitive(lab: Lab, river: River, rule: dict[str, Any], span: Span = NIGHT) -> None:
    """Assert that a fault of every page costs nothing but requests, and changes nothing."""
    river.sync()
    lab.break_things(rule)
    said = run_through(river, span, run_id="one")
    assert lab.fired()[rule["fault"]] > 0
    assert said["load"]["inserted"] == (span.end_ms - span.start_ms) // M1.length_ms
    # What was sent again or beside the question never gets as far as the gate.
    assert said["check"]["refused"] == 0
    assert_complete(river, span)
    again = run_through(river, span, run_id="two")
    assert (again["load"]["inserted"], again["load"]["updated"]) == (0, 0)
    assert again["load"]["unchanged"] == said["load"]["inserted"]


def test_r10_a_page_cut_short_is_gone_on_from_where_it_ends(lab: Lab, river: River) -> None:
    river.sync()
    lab.break_things(on_pages("cut_valid_json", times=3))
    run_through(river, run_id="one")
    assert lab.fired() == {"cut_valid_json": 3}
    assert_complete(river)


def test_r10_rows_missing_from_a_page_are_asked_for_again(lab: Lab, river: River) -> None:
    river.sync()
    lab.forget()
    lab.break_things(on_pages("dropped_rows", rows=5, times=2))
    run_through(river, run_id="one")
    dropping = {hit["serial"] for hit in lab.hits() if hit["faults"]}
    assert len(dropping) == 2
    # Both holes are asked for with their neighbours, and nothing else is.
    rechecks = [hit for hit in lab.hits() if hit["serial"] > max(dropping)][-2:]
    assert [hit["faults"] for hit in rechecks] == [[], []]
    assert_complete(river)


def test_r10_what_is_hidden_twice_becomes_a_gap_and_not_a_candle(lab: Lab, river: River) -> None:
    river.sync()
    lab.break_things(on_pages("dropped_rows"))
    run_through(river, run_id="lasting")
    hidden = count(river, "ledger.gap")
    assert hidden > 0
    # One instrument's silence explains nothing, however often it is repeated in one breath.
    assert all(reason == "unknown" for reason, _ in gaps(river))
    check_honest(river.dsn, lab.url, river.venue, river.symbols, venue_lied=True)
    lab.lift()
    run_through(river, run_id="passed")
    assert gaps(river) == []
    assert len(gaps(river, is_open=False)) == hidden
    assert_complete(river)


def test_r21_rows_that_come_twice_in_a_page_change_nothing(lab: Lab, river: River) -> None:
    repetitive(lab, river, on_pages("duplicate_page"))


def test_r21_rows_of_the_page_before_change_nothing(lab: Lab, river: River) -> None:
    # Pages of one walk overlap anyway; those of one batch and the next do not.
    river.settings = replace(river.settings, page_limit=1000, batch_days=1)
    span = Span(YESTERDAY.start_ms, NIGHT.end_ms)
    repetitive(lab, river, on_pages("overlapping_page", span=span), span)


def test_r21_rows_that_come_again_in_a_file_change_nothing(lab: Lab, open_river: Open) -> None:
    river = open_river(with_archive=True)
    repetitive(lab, river, on_pages("duplicate_page", venue="archive", span=YESTERDAY), YESTERDAY)


@pytest.mark.parametrize("order", ["random", "reversed"])
def test_r22_rows_out_of_order(lab: Lab, river: River, order: str) -> None:
    repetitive(lab, river, on_pages("shuffled_rows", order=order))


@pytest.mark.parametrize("side", ["before", "after", "both"])
def test_r23_rows_outside_the_range_are_dropped(lab: Lab, river: River, side: str) -> None:
    river.settings = replace(river.settings, page_limit=1000)
    repetitive(lab, river, on_pages("rows_outside", side=side, rows=3))
    # Nothing before or after the span became visible or proven.
    bounds = river.conn.execute("SELECT min(open_time), max(open_time) FROM market.candle_1m")
    assert bounds.fetchone() == (NIGHT.start_time, from_ms(NIGHT.end_ms - M1.length_ms))
    covered = river.conn.execute(
        "SELECT lower(covered), upper(covered) FROM ledger.coverage WHERE dataset = 'candle_1m'"
    )
    assert covered.fetchall() == [(NIGHT.start_time, NIGHT.end_time)]


def test_r23_rows_beyond_the_page_that_the_next_page_denies_are_not_believed(
    lab: Lab, river: River
) -> None:
    """More rows than asked for, inside the range but made up: the overlap of pages shows it."""
    river.sync()
    lab.break_things(on_pages("rows_outside", side="after"))
    with pytest.raises(SourceUnavailableError, match="disagree"):
        run_through(river, run_id="lasting")
    assert count(river, "ledger.landing") == 0
    lab.lift()
    run_through(river, run_id="passed")
    assert_complete(river)


def test_r23_rows_outside_the_day_of_a_file_are_dropped(lab: Lab, open_river: Open) -> None:
    river = open_river(with_archive=True)
    repetitive(lab, river, on_pages("rows_outside", venue="archive", span=YESTERDAY), YESTERDAY)


@pytest.mark.parametrize(("venue", "after"), [("spot", 0), ("spot", 2), ("usdm", 1)])
def test_r24_an_empty_page_is_not_the_end_of_history(
    lab: Lab, open_river: Open, venue: str, after: int
) -> None:
    client = open_client(lab.url)
    options = {"source": BinanceUsdm(client), "client": client} if venue == "usdm" else {}
    river = open_river(**options)
    river.sync()
    lab.break_things(on_pages("empty_page", venue=venue, times=3, after=after))
    run_through(river, run_id="one")
    assert lab.fired() == {"empty_page": 3}
    assert_complete(river)


def test_r24_a_venue_that_stays_mute_is_written_down_and_repaired(lab: Lab, river: River) -> None:
    river.sync()
    lab.break_things(on_pages("empty_page", after=2))
    run_through(river, run_id="lasting")
    check_honest(river.dsn, lab.url, river.venue, river.symbols, venue_lied=True)
    assert count(river, "ledger.gap") == 1
    lab.lift()
    run_through(river, run_id="passed")
    assert_complete(river)


def test_r24_a_file_that_is_not_found_is_made_good_by_the_venue(lab: Lab, open_river: Open) -> None:
    river = open_river(with_archive=True)
    river.sync()
    lab.break_things({"fault": "not_found", "route": "/data/*"})
    run_through(river, YESTERDAY, run_id="one")
    assert lab.fired()["not_found"] > 0
    assert_complete(river, YESTERDAY)
    assert count(river, "ledger.archive_file") == 0


@pytest.mark.parametrize("venue", ["spot", "usdm"])
def test_r25_a_cursor_that_stands_still_ends_the_run(
    lab: Lab, open_river: Open, venue: str
) -> None:
    client = open_client(lab.url)
    options = {"source": BinanceUsdm(client), "client": client} if venue == "usdm" else {}
    river = open_river(**options)
    river.sync()
    lab.forget()
    lab.break_things(on_pages("stuck_cursor", venue=venue))
    with pytest.raises(SourceUnavailableError):
        run_through(river, run_id="lasting")
    assert len(lab.hits(KLINES[venue])) <= 10
    assert count(river, "ledger.landing") == 0
    lab.lift()
    run_through(river, run_id="passed")
    assert_complete(river)


@pytest.mark.parametrize(("kind", "symbols"), [("missing", {"symbol": "BTCUSDT"}), ("outage", {})])
def test_r26_missing_candles_are_a_gap_and_never_filled_in(
    lab: Lab, open_river: Open, kind: str, symbols: dict[str, str]
) -> None:
    river = open_river("BTCUSDT", "ETHUSDT")
    times = {"start": HOLE.start_ms, "end": HOLE.end_ms}
    lab.amend({"kind": kind, "venue": "spot", **times, **symbols})
    river.sync()
    run_through(river, run_id="one")
    assert gaps(river) == ([("unknown", HOLE)] if symbols else [("outage", HOLE)] * 2)
    reason = "unpublished" if symbols else "outage"
    if symbols:
        prove_by_another_look(river)
    assert gaps(river) == [(reason, HOLE)] * (1 if symbols else 2)
    assert_complete(river)
    kinds = ask_truth(lab.url, river.venue, "BTCUSDT", NIGHT).kinds
    assert set(kinds.values()) == {kind}
    # Asked again later in vain, the gap stays one gap and nothing else changes.
    again = run_through(river, run_id="two")
    assert (again["load"]["inserted"], again["load"]["updated"]) == (0, 0)
    assert {found for found, _ in gaps(river)} == {reason}
    attempts = river.conn.execute("SELECT min(attempts) FROM ledger.gap").fetchone()
    assert attempts == (3 if symbols else 2,)


def test_r26_candles_that_come_late_fill_their_gap(lab: Lab, river: River) -> None:
    rule = {"kind": "late", "symbol": "BTCUSDT", "start": HOLE.start_ms, "end": HOLE.end_ms}
    lab.amend({**rule, "at": "now+1d"})
    river.sync()
    run_through(river, run_id="one")
    assert gaps(river) == [("unknown", HOLE)]
    prove_by_another_look(river)
    assert_complete(river)
    before = river.conn.execute("SELECT count(*) FROM market.candle_5m").fetchone()
    lab.restore()
    said = run_through(river, run_id="two")
    assert said["load"]["inserted"] == 7
    assert (gaps(river), gaps(river, is_open=False)) == ([], [("unpublished", HOLE)])
    told = river.conn.execute("SELECT reason FROM ledger.change WHERE dataset = 'candle_1m'")
    assert ("repaired",) in told.fetchall()
    after = river.conn.execute("SELECT count(*) FROM market.candle_5m").fetchone()
    assert before is not None
    assert after == (before[0] + 1,)
    assert_complete(river)


def test_r26_what_the_archive_lacks_is_asked_of_the_venue(lab: Lab, open_river: Open) -> None:
    river = open_river(with_archive=True)
    river.sync()
    # The file's own checksum agrees with its missing last hours.
    assert river.archive is not None
    river.archive._sleep = lambda _: None
    lab.break_things(on_pages("cut_valid_json", venue="archive", span=YESTERDAY, keep=0.9))
    run_through(river, YESTERDAY, run_id="one")
    assert lab.fired()["cut_valid_json"] > 0
    assert_complete(river, YESTERDAY)
    ways = river.conn.execute("SELECT source, count(*) FROM market.candle_1m GROUP BY 1 ORDER BY 1")
    assert ways.fetchall() == [("archive", 1296), ("rest", 144)]


def test_r26_off_grid_candles_are_moved_and_flagged_until_the_right_ones_come(
    lab: Lab, river: River
) -> None:
    times = {"start": HOLE.start_ms, "end": HOLE.end_ms}
    lab.amend({"kind": "off_grid", "symbol": "BTCUSDT", **times})
    river.sync()
    said = run_through(river, run_id="one")
    assert said["check"]["refused"] == 0
    assert count(river, f"market.candle_1m WHERE flags = {SNAPPED}") == 7
    lab.restore()
    # The venue was late with its times only: moved, the candles are those it tells of now.
    assert_honest(river)
    run_through(river, run_id="two")
    assert count(river, "market.candle_1m WHERE flags <> 0") == 0
    assert_complete(river)


def test_r10_a_run_that_fails_halfway_keeps_what_was_proven(lab: Lab, river: River) -> None:
    """Declared error in the middle: what landed before it is loaded, and the rest comes later."""
    two_days = Span(YESTERDAY.start_ms, NIGHT.end_ms)
    river.settings = replace(river.settings, batch_days=1, page_limit=500)
    river.sync()
    lab.break_things(on_pages("server_error"))
    with pytest.raises(CandlewickError) as caught:
        river.backfill(two_days, run_id="one")
    assert not isinstance(caught.value, FinalError)
    settle(river, run_id="one")
    assert count(river, "market.candle_1m") == 1440
    assert_complete(river, YESTERDAY)
    lab.lift()
    lab.forget()
    run_through(river, two_days, run_id="one")
    # The day that landed already was not asked for again by the same run.
    assert len(lab.hits(KLINES["spot"])) < MOST_REQUESTS // 4
    assert_complete(river, two_days)
