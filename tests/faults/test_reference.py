"""R32 and R33: symbols the venue does not know, and names that end, come back or change."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest

from include.exchanges.binance_usdm.client import BinanceUsdm
from include.market.errors import UnknownInstrumentError
from include.market.span import Span, from_ms
from include.market.timeframe import M1
from include.warehouse.reference import rename_instrument
from tests.faults.conftest import Open
from tests.support.fault_lab import (
    KLINES,
    NIGHT,
    TODAY_MS,
    YESTERDAY,
    Lab,
    assert_complete,
    assert_honest,
    closed_ms,
    count,
    run_through,
    settle,
)
from tests.support.invariants import ask_truth
from tests.support.river import River, open_client

MIDNIGHT = from_ms(TODAY_MS)
END_MS = TODAY_MS + 120 * M1.length_ms
"""When something happens to a symbol: two hours into the night."""


def asked_for(lab: Lab, symbol: str) -> int:
    return sum(f"symbol={symbol}" in hit["query"] for hit in lab.hits(KLINES["spot"]))


def sync_earlier(lab: Lab, river: River, hours: int) -> None:
    """Sync so many hours ago: the venue's clock stands still, and versions need later times."""
    lab.break_things({"fault": "clock_behind", "seconds": hours * 3600})
    river.sync()
    lab.lift()


def statuses(river: River, symbol: str) -> list[str]:
    rows = river.conn.execute(
        "SELECT history.status FROM market.instrument_history AS history "
        "JOIN market.instrument USING (instrument_id) WHERE symbol = %s ORDER BY history_id",
        (symbol,),
    ).fetchall()
    (now,) = river.conn.execute(
        "SELECT status FROM market.instrument WHERE symbol = %s", (symbol,)
    ).fetchone() or ("none",)
    return [*(status for (status,) in rows), now]


def test_r32_an_unknown_symbol_does_not_stop_the_others(
    lab: Lab, open_river: Open, caplog: pytest.LogCaptureFixture
) -> None:
    river = open_river("BTCUSDT", "ETHUSDT")
    river.sync()
    run_through(river, run_id="night")
    lab.break_things({"fault": "unknown_symbol", "symbol": "BTCUSDT"})
    lab.forget()
    with caplog.at_level(logging.WARNING):
        fetched = river.fetch(run_id="live")
    assert set(fetched) == {"ETHUSDT"}
    # No retry storm: one question, and one line that says so.
    assert asked_for(lab, "BTCUSDT") == 1
    assert sum("sync_reference" in record.message for record in caplog.records) == 1
    settle(river, run_id="live")
    assert_honest(river)
    lab.lift()
    assert set(river.fetch(run_id="later")) == {"BTCUSDT"}
    settle(river, run_id="later")
    assert_complete(river, Span(NIGHT.start_ms, closed_ms()))


def test_r32_a_symbol_that_was_never_listed_is_told_and_the_rest_is_synced(
    lab: Lab, open_river: Open
) -> None:
    river = open_river("BTCUSDT", "NOPEUSDT", "ETHUSDT")
    lab.forget()
    with pytest.raises(UnknownInstrumentError, match=r"NOPEUSDT.*Variable universe"):
        river.sync()
    known = river.conn.execute("SELECT symbol FROM market.instrument ORDER BY 1").fetchall()
    assert known == [("BTCUSDT",), ("ETHUSDT",)]
    # One question for all, then one for each.
    assert len(lab.hits("/api/v3/exchangeInfo")) == 4
    # What has no instrument is not asked for candles.
    fetched = river.fetch(run_id="live")
    assert set(fetched) == {"BTCUSDT", "ETHUSDT"}
    assert asked_for(lab, "NOPEUSDT") == 0


def test_r32_a_backfill_of_an_unknown_symbol_ends_at_its_first_answer(
    lab: Lab, open_river: Open
) -> None:
    river = open_river("ETHUSDT")
    river.sync()
    lab.forget()
    lab.break_things({"fault": "unknown_symbol", "symbol": "ETHUSDT"})
    with pytest.raises(UnknownInstrumentError):
        river.backfill(NIGHT, run_id="one")
    assert asked_for(lab, "ETHUSDT") == 1
    assert count(river, "ledger.landing") == 0


def test_r33_a_delisted_symbol_keeps_its_history_and_its_name(lab: Lab, open_river: Open) -> None:
    river = open_river("BTCUSDT", "ETHUSDT")
    sync_earlier(lab, river, 9)
    run_through(river, YESTERDAY, run_id="before")
    lab.amend({"kind": "delisted", "symbol": "BTCUSDT", "at": END_MS, "gone": True})
    river.sync()
    assert statuses(river, "BTCUSDT")[-1] == "UNLISTED"
    assert statuses(river, "ETHUSDT") == ["TRADING", "TRADING"]
    river.fetch(run_id="live")
    settle(river, run_id="live")
    assert_honest(river)
    # Its candles of before are all there, and nobody has made any up since.
    held = river.conn.execute(
        "SELECT count(*), max(open_time) FROM market.candle_1m "
        "JOIN market.instrument USING (instrument_id) WHERE symbol = 'BTCUSDT'"
    ).fetchone()
    assert held is not None
    assert held[0] >= 1440
    assert held[1] < from_ms(END_MS)
    assert_complete(river, YESTERDAY)


def test_r33_a_delisted_symbol_that_is_still_told_of_ends_with_a_gap(
    lab: Lab, river: River
) -> None:
    sync_earlier(lab, river, 9)
    lab.amend({"kind": "delisted", "symbol": "BTCUSDT", "at": END_MS})
    river.sync()
    assert statuses(river, "BTCUSDT") != ["TRADING", "TRADING"]
    run_through(river, run_id="one")
    assert count(river, "market.candle_1m") == 120
    spans = river.conn.execute(
        "SELECT span_start, span_end FROM ledger.gap WHERE dataset = 'candle_1m'"
    ).fetchall()
    assert spans == [(from_ms(END_MS), NIGHT.end_time)]
    assert set(ask_truth(lab.url, river.venue, "BTCUSDT", NIGHT).kinds.values()) == {"delisted"}
    # Nobody has said that it ended then: what may still come is not proven absent.
    assert_complete(river, Span(NIGHT.start_ms, END_MS))


def test_r33_another_asset_under_the_same_name_is_never_joined_silently(
    lab: Lab, river: River
) -> None:
    """What is told: a pause in the instrument's history, and the span without candles."""
    sync_earlier(lab, river, 9)
    hole = Span(END_MS, closed_ms() + 60 * M1.length_ms)
    back = Span(hole.start_ms, END_MS + 60 * M1.length_ms)
    rule = {"kind": "relisted", "symbol": "BTCUSDT", "price_factor": 25}
    lab.amend({**rule, "start": hole.start_ms, "end": hole.end_ms})
    sync_earlier(lab, river, 1)
    lab.restore()
    lab.amend({**rule, "start": back.start_ms, "end": back.end_ms})
    river.sync()
    told = statuses(river, "BTCUSDT")
    assert len(set(told)) == 2
    assert told[-1] == "TRADING"
    run_through(river, run_id="one")
    spans = river.conn.execute(
        "SELECT span_start, span_end FROM ledger.gap WHERE dataset = 'candle_1m'"
    ).fetchall()
    assert spans == [(back.start_time, back.end_time)]
    # No coarse candle holds minutes of both assets without saying that minutes are absent.
    mixed = river.conn.execute(
        "SELECT count(*) FROM market.candle_4h WHERE high > 10 * low "
        "AND children_present = children_expected"
    ).fetchone()
    assert mixed == (0,)
    # One instrument's silence is proven by another look, a while later.
    done = river.repair(run_id="look", at=datetime.now(UTC) + timedelta(minutes=11))
    assert done["proven"] == 1
    river.cascade(run_id="look")
    assert_complete(river)


def test_r33_a_renamed_symbol_goes_on_only_when_somebody_says_so(
    lab: Lab, open_river: Open
) -> None:
    river = open_river("BTCUSDT")
    sync_earlier(lab, river, 10)
    run_through(river, YESTERDAY, run_id="before")
    lab.amend({"kind": "renamed", "old": "BTCUSDT", "new": "XBTUSDT", "at": TODAY_MS})
    river.sync()
    assert statuses(river, "BTCUSDT")[-1] == "UNLISTED"
    renamed = open_river("XBTUSDT")
    renamed.sync()
    run_through(renamed, run_id="after")
    symbols = river.conn.execute(
        "SELECT symbol, count(*) FROM market.candle_1m JOIN market.instrument "
        "USING (instrument_id) GROUP BY 1 ORDER BY 1"
    ).fetchall()
    # Two series, each with its own candles and no others.
    assert symbols == [("BTCUSDT", 1440), ("XBTUSDT", 480)]
    assert_complete(river, YESTERDAY)
    assert_complete(renamed)


def test_r33_a_rename_that_an_operator_declares_continues_the_series(
    lab: Lab, open_river: Open
) -> None:
    river = open_river("BTCUSDT")
    river.sync()
    run_through(river, YESTERDAY, run_id="before")
    lab.amend({"kind": "renamed", "old": "BTCUSDT", "new": "XBTUSDT", "at": TODAY_MS})
    with river.conn.transaction():
        rename_instrument(
            river.conn, river.venue, old="BTCUSDT", new="XBTUSDT", renamed_at=MIDNIGHT
        )
    renamed = open_river("XBTUSDT")
    run_through(renamed, run_id="after")
    rows = river.conn.execute(
        "SELECT instrument_id, count(*), min(open_time), max(open_time) "
        "FROM market.candle_1m GROUP BY 1"
    ).fetchall()
    assert [row[1:] for row in rows] == [
        (1440 + 480, YESTERDAY.start_time, from_ms(NIGHT.end_ms - M1.length_ms))
    ]
    old = ask_truth(lab.url, river.venue, "BTCUSDT", YESTERDAY).candles
    new = ask_truth(lab.url, river.venue, "XBTUSDT", NIGHT).candles
    closes = dict(river.conn.execute("SELECT open_time, close FROM market.candle_1m").fetchall())
    assert {int(at.timestamp() * 1000): close for at, close in closes.items()} == {
        at: values[3] for at, values in (old | new).items()
    }


@pytest.mark.parametrize("venue", ["spot", "usdm"])
def test_r33_nothing_is_asked_or_made_up_before_a_listing(
    lab: Lab, open_river: Open, venue: str
) -> None:
    client = open_client(lab.url)
    options = {"source": BinanceUsdm(client), "client": client} if venue == "usdm" else {}
    river = open_river(**options)
    lab.amend({"kind": "listed", "symbol": "BTCUSDT", "at": END_MS})
    river.sync()
    run_through(river, run_id="one")
    assert count(river, "market.candle_1m") == 360
    assert count(river, "ledger.gap") == 0
    assert_complete(river, Span(END_MS, NIGHT.end_ms))
