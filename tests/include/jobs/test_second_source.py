"""What a venue has lost for good is taken from another one: only where asked for, and flagged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from include.exchanges.base import CandleSource
from include.exchanges.binance_usdm.client import BinanceUsdm
from include.exchanges.second_venue import SecondVenue
from include.jobs.land_candles import Landing
from include.jobs.second_source import Lent, lending
from include.jobs.storage import read_frame, write_frame
from include.market.candle import FOREIGN
from include.market.errors import SourceUnavailableError
from include.market.second_source import SecondSource
from include.market.span import Span, subtract_spans, to_ms
from include.market.timeframe import DAY_MS, H4, M1
from include.warehouse.explanation import open_gaps_within
from include.warehouse.gaps import OpenGap
from include.warehouse.ledger import coverage
from tests.support.fault_lab import Lab
from tests.support.invariants import check_all
from tests.support.river import River
from tests.support.simulator import run_simulator

# The ledger stamps what it finds with its own clock: the venue's must agree with it here.
NOW = datetime.now(UTC).replace(hour=9, minute=17, second=23, microsecond=0) - timedelta(days=1)
TODAY_MS = to_ms(NOW) // DAY_MS * DAY_MS
NIGHT = Span(TODAY_MS - DAY_MS, TODAY_MS - DAY_MS + H4.length_ms)
HOLE = Span(NIGHT.start_ms + 100 * M1.length_ms, NIGHT.start_ms + 107 * M1.length_ms)
SYMBOLS = ("BTCUSDT", "ETHUSDT")
NAMED = SecondSource("binance_usdm", {"BTCUSDT": "BTCUSDT"})


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
    rule = {"kind": "missing", "venue": "spot", "symbol": "BTCUSDT"}
    lab.amend({**rule, "start": HOLE.start_ms, "end": HOLE.end_ms})
    river.backfill(NIGHT, run_id="history")
    through(river, "history")
    yield river
    river.close()


def through(river: River, run_id: str) -> dict[str, int]:
    river.check()
    loaded = river.load(run_id=run_id)
    river.cascade(run_id=run_id)
    return loaded


def choose(river: River, choice: SecondSource = NAMED) -> list[str]:
    """Name a second source; return where it is noted that it was opened and closed."""
    seen: list[str] = []

    @contextmanager
    def opened() -> Iterator[CandleSource]:
        seen.append("opened")
        yield BinanceUsdm(river.client)
        seen.append("closed")

    river.second = SecondVenue(choice, opened)
    return seen


def look(river: River, *waits: float) -> list[dict[str, int]]:
    """Look for gaps so many hours from now, one run after the other."""
    now = datetime.now(UTC) + timedelta(minutes=1)
    return [
        river.repair(run_id=f"look {hours}", at=now + timedelta(hours=hours)) for hours in waits
    ]


def rows(river: River, text: str) -> list[tuple[Any, ...]]:
    return river.conn.execute(text).fetchall()


def proof(river: River) -> dict[str, Any]:
    [(found,)] = rows(river, "SELECT proof FROM ledger.gap WHERE closed_at IS NULL")
    assert isinstance(found, dict)
    return found


LOOKS = (0.2, 1.2, 6.2)
"""Hours at which a gap whose absence is proven is looked at; the last is the fourth look."""
FOREIGN_ROWS = "SELECT count(*), min(flags), max(flags) FROM market.{} WHERE flags & 16 > 0"


def test_what_stays_lost_is_lent_flagged_and_gives_way_to_the_venues_own(
    lab: Lab, river: River
) -> None:
    seen = choose(river)
    found = look(river, *LOOKS)
    assert [one.get("lent", 0) for one in found] == [0, 0, 1]
    assert found[0]["proven"] == 1, "the venue had its say first"
    assert seen == ["opened", "closed"], "only when a gap was due for it"
    assert through(river, "lent")["inserted"] == 7
    assert rows(river, "SELECT 1 FROM ledger.gap WHERE closed_at IS NULL") == []
    assert coverage(river.conn, "candle_1m", 1) == [NIGHT]
    # In every candle that rests on it, with the way and who said so.
    assert rows(river, FOREIGN_ROWS.format("candle_1m")) == [(7, FOREIGN, FOREIGN)]
    assert rows(river, FOREIGN_ROWS.format("candle_5m")) == [(2, FOREIGN, FOREIGN)]
    assert rows(river, FOREIGN_ROWS.format("candle_4h")) == [(1, FOREIGN, FOREIGN)]
    assert rows(river, "SELECT DISTINCT source FROM market.candle_1m WHERE flags > 0") == [
        ("second_venue",)
    ]
    landed = "SELECT venue, symbol, source, origin FROM ledger.landing WHERE origin IS NOT NULL"
    assert rows(river, landed) == [
        ("binance_spot", "BTCUSDT", "second_venue", "binance_usdm BTCUSDT")
    ]
    [(closed,)] = rows(river, "SELECT proof FROM ledger.gap WHERE closed_at IS NOT NULL")
    assert closed["second_source"]["rows"] == 7
    assert ("repaired",) in rows(river, "SELECT reason FROM ledger.change")
    # Whatever the venue says of it later is believed at once.
    lab.restore()
    river.backfill(NIGHT, run_id="own")
    assert through(river, "own")["updated"] == 7
    assert rows(river, FOREIGN_ROWS.format("candle_1m")) == [(0, None, None)]
    assert rows(river, FOREIGN_ROWS.format("candle_4h")) == [(0, None, None)]
    kept = "SELECT DISTINCT source FROM market.candle_revision WHERE flags & 16 > 0"
    assert ("second_venue",) in rows(river, kept)
    check_all(river.dsn, river.venue_url, SYMBOLS)
    # And the second venue never takes its place again.
    assert look(river, 30)[0].get("lent", 0) == 0


def test_lent_rows_never_replace_what_the_venue_said(river: River) -> None:
    choose(river)
    look(river, *LOOKS)
    river.check()
    # The venue's own come while the lent ones wait to be loaded.
    river.conn.execute("UPDATE ledger.landing SET state = 'held' WHERE origin IS NOT NULL")
    Lab(river.venue_url).restore()
    river.backfill(NIGHT, run_id="own")
    through(river, "own")
    river.conn.execute("UPDATE ledger.landing SET state = 'checked' WHERE origin IS NOT NULL")
    assert river.load(run_id="late")["quarantined"] == 7
    assert rows(river, FOREIGN_ROWS.format("candle_1m")) == [(0, None, None)]
    assert rows(river, "SELECT DISTINCT rule FROM ledger.quarantine") == [("outranked",)]


def fill(river: River, gap: OpenGap) -> Lent | None:
    """Ask the lender alone."""
    target = Landing(river.open_path, river.settings, "fill")
    with lending(river.second, river.venue, target, datetime.now(UTC)) as lender:
        assert lender is not None
        return lender.fill(river.conn, gap, "BTCUSDT")


def the_gap(river: River, **changed: Any) -> OpenGap:
    """Return the gap as it stands after looks enough."""
    [found] = open_gaps_within(river.conn, "candle_1m", [1], [HOLE])
    return replace(found, attempts=NAMED.after_looks - 1, **changed)


def refusal(lent: Lent | None) -> str:
    assert lent is not None
    assert lent.rows == 0
    return str(lent.note["second_source"]["refused"])


def test_it_is_not_asked_too_early_nor_for_others_nor_for_what_was_never_traded(
    river: River,
) -> None:
    seen = choose(river)
    gap = the_gap(river)
    assert fill(river, replace(gap, attempts=NAMED.after_looks - 2)) is None
    for reason in ("no_trade", "outage", "halted", "pre_listing", "delisted"):
        assert fill(river, replace(gap, reason=reason)) is None
    assert fill(river, replace(gap, proof={"refused_in_landing": 1})) is None
    choose(river, SecondSource("binance_usdm", {"ETHUSDT": "ETHUSDT"}))
    assert fill(river, gap) is None
    choose(river)
    river.conn.execute(
        "INSERT INTO ledger.venue_outage (venue_id, span_start, span_end, source) "
        "SELECT venue_id, %s, %s, 'operator' FROM market.venue WHERE name = 'binance_spot'",
        (HOLE.start_time, HOLE.start_time + timedelta(minutes=1)),
    )
    assert fill(river, gap) is None
    assert seen == []


def test_its_own_troubles_are_noted_and_end_nothing(river: River) -> None:
    opened = 0

    @contextmanager
    def broken() -> Iterator[CandleSource]:
        nonlocal opened
        opened += 1
        raise SourceUnavailableError("no such Connection")
        yield

    river.second = SecondVenue(NAMED, broken)
    gap = the_gap(river)
    assert refusal(fill(river, gap)) == "no such Connection"
    target = Landing(river.open_path, river.settings, "fill")
    with lending(river.second, river.venue, target, datetime.now(UTC)) as lender:
        assert lender is not None
        for _ in range(2):
            assert refusal(lender.fill(river.conn, gap, "BTCUSDT")) == "no such Connection"
    assert opened == 2, "once a run"
    assert look(river, *LOOKS)[-1]["in_vain"] == 1, "and the repair goes on"
    note = proof(river)["second_source"]
    assert (note["venue"], note["refused"]) == ("binance_usdm", "no such Connection")
    assert rows(river, "SELECT attempts FROM ledger.gap WHERE closed_at IS NULL") == [(4,)]
    choose(river, SecondSource("binance_usdm", {"BTCUSDT": "NOSUCHUSDT"}))
    assert "NOSUCHUSDT" in refusal(fill(river, gap))


def test_what_does_not_fit_is_refused(lab: Lab, river: River) -> None:
    choose(river, SecondSource("binance_usdm", {"BTCUSDT": "ETHUSDT"}))
    gap = the_gap(river)
    assert "before the gap its prices are" in refusal(fill(river, gap))
    assert rows(river, "SELECT 1 FROM ledger.landing WHERE origin IS NOT NULL") == []
    choose(river)
    rule = {"kind": "missing", "venue": "usdm", "symbol": "BTCUSDT"}
    lab.amend({**rule, "start": HOLE.start_ms, "end": HOLE.end_ms})
    assert "it has no candle of the gap" in refusal(fill(river, gap))
    lab.restore()
    # What was lent before proves nothing of prices.
    river.conn.execute("UPDATE market.candle_1m SET flags = 16 WHERE instrument_id = 1")
    assert "0 candles before the gap stand in both" in refusal(fill(river, gap))
    river.conn.execute("UPDATE market.candle_1m SET flags = 0 WHERE instrument_id = 1")
    river.conn.execute("UPDATE market.asset SET code = 'USD' WHERE code = 'USDT'")
    assert "is told in USD, binance_usdm BTCUSDT in USDT" in refusal(fill(river, gap))
    river.conn.execute("UPDATE market.asset SET code = 'USDT' WHERE code = 'USD'")
    # A gap that the ledger holds in two rows lies between the candles beside the whole.
    middle = HOLE.start_time + timedelta(minutes=3)
    river.conn.execute("UPDATE ledger.gap SET span_end = %s WHERE closed_at IS NULL", (middle,))
    river.conn.execute(
        "INSERT INTO ledger.gap (dataset, instrument_id, span_start, span_end, reason) "
        "VALUES ('candle_1m', 1, %s, %s, 'unknown')",
        (middle, HOLE.end_time),
    )
    first, second = open_gaps_within(river.conn, "candle_1m", [1], [HOLE])
    lent = [fill(river, replace(part, attempts=5)) for part in (first, second)]
    assert [one and one.rows for one in lent] == [3, 4]


def test_a_lent_row_that_is_refused_says_nothing_of_the_venue(river: River) -> None:
    choose(river)
    before = the_gap(river)
    assert fill(river, before) is not None
    river.check()
    [(path,)] = rows(river, "SELECT clean_path FROM ledger.landing WHERE origin IS NOT NULL")
    clean = read_frame(Path(path)).frame
    write_frame(Path(path), clean.drop(index=2))
    assert river.load(run_id="lent")["inserted"] == 6
    [left] = open_gaps_within(river.conn, "candle_1m", [1], [HOLE])
    minute = Span(HOLE.start_ms + 2 * M1.length_ms, HOLE.start_ms + 3 * M1.length_ms)
    assert (left.span, left.reason, left.proof) == (minute, before.reason, before.proof)
    assert coverage(river.conn, "candle_1m", 1) == subtract_spans(NIGHT, [minute])


def test_what_has_no_candles_after_it_is_not_lent(
    loader_dsn: str, lab: Lab, tmp_path: Path
) -> None:
    river = River(loader_dsn, lab.url, tmp_path, SYMBOLS)
    river.sync()
    choose(river)
    rule = {"kind": "outage", "venue": "spot", "end": TODAY_MS + DAY_MS}
    lab.amend({**rule, "start": HOLE.start_ms})
    river.backfill(NIGHT, run_id="history")
    through(river, "history")
    found = look(river, 0.2, 0.8, 3, 12, 40)
    assert sum(one.get("lent", 0) for one in found) == 0
    notes = rows(river, "SELECT proof -> 'second_source' ->> 'refused' FROM ledger.gap "
                 "WHERE closed_at IS NULL AND instrument_id = 1")  # fmt: skip
    assert "0 candles after the gap" in notes[0][0]
    river.close()
