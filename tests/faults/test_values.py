"""R27 to R31: values that cannot be, values that change, and candles that are not finished."""

from __future__ import annotations

from contextlib import suppress

import psycopg
import pytest

from include.market.candle import VALUE_COLUMNS
from include.market.errors import CandlewickError
from include.market.span import Span
from include.market.timeframe import DAY_MS, M1
from tests.faults.conftest import Open
from tests.support.fault_lab import (
    NIGHT,
    NOW_MS,
    TODAY_MS,
    YESTERDAY,
    Lab,
    assert_complete,
    assert_honest,
    closed_ms,
    count,
    on_pages,
    quarantine,
    refused_rules,
    run_through,
    settle,
)
from tests.support.river import River

MENDED = Span(TODAY_MS + 60 * M1.length_ms, TODAY_MS + 63 * M1.length_ms)
LAST_HOURS = Span(closed_ms() - 3 * 60 * M1.length_ms, TODAY_MS + DAY_MS)
UP_TO_NOW = Span(LAST_HOURS.start_ms, closed_ms())

FLAWS = {
    "absurd_price": "quote_volume_unit",
    "negative_price": "price_range",
    "zero_price": "price_range",
    "negative_volume": "volume_range",
    "high_below_low": "ohlc_order",
    "close_outside": "ohlc_order",
}


def revise(span: Span = MENDED, symbol: str = "BTCUSDT", at: str = "now-1m") -> dict[str, object]:
    times = {"start": span.start_ms, "end": span.end_ms, "at": at}
    return {"kind": "revised", "symbol": symbol, **times}


@pytest.mark.parametrize("route", ["backfill", "audit"])
def test_r27_a_revised_candle_replaces_the_old_one_which_is_kept(
    lab: Lab, open_river: Open, route: str
) -> None:
    river = open_river()
    span = YESTERDAY if route == "audit" else NIGHT
    mended = Span(span.start_ms + 60 * M1.length_ms, span.start_ms + 63 * M1.length_ms)
    river.sync()
    run_through(river, span, run_id="one")
    before = candles(river, mended)
    coarse = river.conn.execute("SELECT sum(volume) FROM market.candle_4h").fetchone()
    lab.amend(revise(mended))
    if route == "audit":
        assert river.audit(run_id="two")["days"] == 1
    else:
        river.backfill(span, run_id="two")
    said = settle(river, run_id="two")
    assert (said["load"]["inserted"], said["load"]["updated"]) == (0, 3)
    assert_complete(river, span)
    kept = river.conn.execute(
        f"SELECT {', '.join(VALUE_COLUMNS)} FROM market.candle_revision "
        "WHERE timeframe = '1m' ORDER BY open_time"
    ).fetchall()
    assert kept == before
    assert candles(river, mended) != before
    # The change went down to every coarser candle: check_cascade compared them, and it is felt.
    assert river.conn.execute("SELECT sum(volume) FROM market.candle_4h").fetchone() != coarse
    coarser = river.conn.execute("SELECT DISTINCT timeframe FROM market.candle_revision")
    assert {label for (label,) in coarser} == {"1m", "5m", "30m", "4h"}


def test_r27_a_revised_file_of_the_archive_is_noticed(lab: Lab, open_river: Open) -> None:
    river = open_river(with_archive=True)
    river.sync()
    run_through(river, YESTERDAY, run_id="one")
    mended = Span(YESTERDAY.start_ms, YESTERDAY.start_ms + 2 * M1.length_ms)
    lab.amend(revise(mended))
    river.audit(run_id="two")
    said = settle(river, run_id="two")
    assert said["load"]["updated"] == 2
    assert_complete(river, YESTERDAY)
    ways = river.conn.execute("SELECT DISTINCT source FROM market.candle_revision").fetchall()
    assert ("archive",) in ways


def test_r27_an_old_answer_that_is_loaded_late_does_not_undo_a_revision(
    lab: Lab, river: River
) -> None:
    river.sync()
    river.backfill(NIGHT, run_id="old")
    river.check()
    lab.amend(revise())
    older = river.conn.execute("SELECT max(landing_id) FROM ledger.landing").fetchone()
    river.backfill(NIGHT, run_id="new")
    # The newer landing is loaded first, as parallel tasks may do.
    river.conn.execute("UPDATE ledger.landing SET state = 'held' WHERE landing_id = %s", older)
    settle(river, run_id="new")
    river.conn.execute("UPDATE ledger.landing SET state = 'checked' WHERE landing_id = %s", older)
    said = river.load(run_id="old")
    river.cascade(run_id="old")
    assert said["updated"] == 0
    assert said["quarantined"] == 3
    assert refused_rules(river) == {"superseded"}
    assert_complete(river)


def test_r28_the_candle_that_is_still_open_is_never_stored(lab: Lab, river: River) -> None:
    river.sync()
    for close_time in ("future", "now", "past"):
        lab.break_things({"fault": "open_candle_as_last", "close_time": close_time})
        river.backfill(LAST_HOURS, run_id=f"backfill-{close_time}")
        river.fetch(run_id=f"live-{close_time}")
        assert lab.fired()["open_candle_as_last"] > 0
        lab.lift()
    settle(river, run_id="one")
    newest = river.conn.execute("SELECT max(open_time) FROM market.candle_1m").fetchone()
    assert newest == (Span(closed_ms() - M1.length_ms, NOW_MS).start_time,)
    assert_complete(river, UP_TO_NOW)


def test_r28_a_last_candle_told_too_early_is_corrected(lab: Lab, river: River) -> None:
    """The venue calls it final and is wrong: nothing shows it, but the next look mends it."""
    river.sync()
    lab.break_things({"fault": "stale_last_candle"})
    run_through(river, LAST_HOURS, run_id="one")
    assert lab.fired()["stale_last_candle"] > 0
    lab.lift()
    said = run_through(river, LAST_HOURS, run_id="two")
    assert said["load"]["updated"] == 1
    assert_complete(river, UP_TO_NOW)


def test_r29_a_candle_that_cannot_be_is_kept_out(lab: Lab, river: River) -> None:
    rules = [on_pages(fault, row=7 * number, times=2) for number, fault in enumerate(FLAWS, 1)]
    quarantine(lab, river, *rules, expected=set(FLAWS.values()))


@pytest.mark.parametrize("fault", ["negative_price", "high_below_low", "absurd_price"])
def test_r29_a_page_of_such_candles_stops_the_run(lab: Lab, river: River, fault: str) -> None:
    river.sync()
    lab.break_things(on_pages(fault, row="all"))
    with suppress(CandlewickError):
        run_through(river, run_id="lasting")
    # Either an error before any write, or a batch that waits for somebody to look.
    assert count(river, "ledger.landing") == count(river, "ledger.landing WHERE state = 'held'")
    assert count(river, "market.candle_1m") == 0
    lab.lift()
    run_through(river, run_id="passed")
    assert_complete(river)


def test_r29_too_many_bad_rows_hold_the_batch_and_are_told_once(lab: Lab, river: River) -> None:
    river.sync()
    rules = [on_pages("negative_price", row=row, seed=row) for row in range(3, 12)]
    lab.break_things(*rules)
    said = run_through(river, run_id="lasting")
    assert said["check"]["held"] == 1
    assert count(river, "market.candle_1m") == 0
    assert len(list(river.outbox.glob("*.md"))) == 1
    assert_honest(river)
    lab.lift()
    run_through(river, run_id="passed")
    assert_complete(river)


def test_r29_a_bad_row_of_a_file_is_made_good_by_the_venue(lab: Lab, open_river: Open) -> None:
    river = open_river(with_archive=True)
    rule = on_pages("high_below_low", venue="archive", span=YESTERDAY, row=700)
    quarantine(lab, river, rule, expected={"ohlc_order"}, span=YESTERDAY)


def test_r30_numbers_beyond_any_column(lab: Lab, river: River) -> None:
    rules = [
        on_pages("huge_number", field="volume", row=9, times=1),
        on_pages("huge_number", field="high", row=19, times=1),
        on_pages("huge_number", field="count", row=29, times=1),
        on_pages("tiny_number", field="volume", row=39, times=1),
        on_pages("tiny_number", field="low", row=49, times=1),
    ]
    expected = {"volume_range", "price_range", "trade_count", "taker_volume"}
    quarantine(lab, river, *rules, expected=expected)


def test_r31_not_a_number_never_reaches_a_table(lab: Lab, river: River) -> None:
    rules = [
        on_pages("nan_text", field=field, row=row, times=2)
        for row, field in ((5, "open"), (15, "volume"), (25, "quote_volume"), (35, 9))
    ]
    quarantine(lab, river, *rules, expected={"not_a_number"})


def test_r31_the_table_itself_refuses_what_is_not_a_number(lab: Lab, river: River) -> None:
    river.sync()
    run_through(river, run_id="one")
    for column in VALUE_COLUMNS[:-1]:
        for word in ("NaN", "Infinity", "-Infinity"):
            with pytest.raises(psycopg.errors.CheckViolation):
                river.conn.execute(
                    f"UPDATE market.candle_1m SET {column} = %s::float8 WHERE open_time = %s",
                    (word, NIGHT.start_time),
                )
    assert_complete(river)


def candles(river: River, span: Span) -> list[tuple[object, ...]]:
    return river.conn.execute(
        f"SELECT {', '.join(VALUE_COLUMNS)} FROM market.candle_1m "
        "WHERE open_time >= %s AND open_time < %s ORDER BY open_time",
        (span.start_time, span.end_time),
    ).fetchall()
