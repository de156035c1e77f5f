"""Every stage against the bundled exchange and a real PostgreSQL, and what must hold afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from include.exchanges.base import CandlePage
from include.market.span import Span, to_ms
from include.market.timeframe import DAY_MS
from tests.support.invariants import check_all
from tests.support.river import River
from tests.support.simulator import run_simulator

NOW = datetime(2026, 11, 10, 9, 17, 23, tzinfo=UTC)
SYMBOLS = ("BTCUSDT", "ETHUSDT")
DAYS = Span(to_ms(NOW) // DAY_MS * DAY_MS - 8 * DAY_MS, to_ms(NOW) // DAY_MS * DAY_MS)


@pytest.fixture(scope="module")
def venue_url() -> Iterator[str]:
    with run_simulator(
        "--seed", "7", "--instruments", ",".join(SYMBOLS), "--clock", f"frozen:{to_ms(NOW)}",
        "--outages-per-year", "120",
    ) as url:  # fmt: skip
        yield url


@pytest.fixture
def river(loader_dsn: str, venue_url: str, tmp_path: Path) -> Iterator[River]:
    # As the jobs log in: the login owns nothing and may change no schema.
    river = River(loader_dsn, venue_url, tmp_path, SYMBOLS)
    yield river
    river.close()


def test_history_goes_through_every_stage_and_a_second_time_changes_nothing(river: River) -> None:
    assert river.sync()["inserted"] == 2
    assert river.sync()["unchanged"] == 2

    landed = river.backfill(DAYS, run_id="first")
    assert 2 * 8 * 1440 * 0.9 < landed <= 2 * 8 * 1440
    assert river.check() == {"accepted": landed, "refused": 0, "held": 0}
    assert river.load(run_id="first")["inserted"] == landed
    assert river.cascade(run_id="first")["4h"]["inserted"] > 0
    assert river.model()["instruments"] == 2
    assert river.publish() == {"charts": 2, "summaries": 1}
    assert len(list(river.outbox.glob("*.png"))) == 2
    assert check_all(river.dsn, river.venue_url, SYMBOLS) == landed

    assert river.backfill(DAYS, run_id="again") == landed
    river.check()
    again = river.load(run_id="again")
    assert (again["inserted"], again["updated"], again["unchanged"]) == (0, 0, landed)
    assert river.cascade(run_id="again") == {
        label: {"inserted": 0, "updated": 0, "withdrawn": 0} for label in ("5m", "30m", "4h")
    }
    assert river.model()["instruments"] == 0
    assert river.publish() == {"charts": 0, "summaries": 0}


def test_incremental_fetch_joins_history_and_stops_at_the_last_closed_minute(river: River) -> None:
    river.sync()
    river.backfill(Span(DAYS.end_ms - DAY_MS, DAYS.end_ms), run_id="history")
    river.check()
    river.load(run_id="history")
    fetched = river.fetch(run_id="live-1")
    assert set(fetched) == set(SYMBOLS)
    river.check()
    river.load(run_id="live-1")
    river.cascade(run_id="live-1")
    assert check_all(river.dsn, river.venue_url, SYMBOLS) > 0
    newest = river.conn.execute("SELECT max(open_time) FROM market.candle_1m").fetchone()
    assert newest == (NOW.replace(second=0) - timedelta(minutes=1),)
    assert river.fetch(run_id="live-2") == {}


def test_outages_are_written_down_and_do_not_stop_the_watermark(river: River) -> None:
    river.sync()
    landed = river.backfill(DAYS, run_id="history")
    river.check()
    river.load(run_id="history")
    missing = 2 * 8 * 1440 - landed
    assert missing > 0, "this seed has an outage in the span; choose another if that changes"
    # History begins in an outage: whether anything was traded right before nobody has asked yet.
    assert absent_minutes(river) == {"outage": missing - 8, "unknown": 8}
    done = river.repair(run_id="repair", at=datetime.now(UTC) + timedelta(minutes=11))
    assert (done["proven"], done.get("rows", 0)) == (2, 0)
    assert absent_minutes(river) == {"outage": missing - 8, "unpublished": 8}
    river.cascade(run_id="history")
    check_all(river.dsn, river.venue_url, SYMBOLS)
    # A bucket that lies wholly inside an outage is settled too: absent, and nothing waits for it.
    covered = river.conn.execute(
        "SELECT DISTINCT dataset, covered::text FROM ledger.coverage"
    ).fetchall()
    assert len({span for _, span in covered}) == 1, covered


def absent_minutes(river: River) -> dict[str, int]:
    rows = river.conn.execute(
        "SELECT reason, sum(extract(epoch FROM span_end - span_start) / 60)::int FROM ledger.gap "
        "WHERE dataset = 'candle_1m' AND closed_at IS NULL GROUP BY reason"
    ).fetchall()
    return {str(reason): int(count) for reason, count in rows}


def test_an_interrupted_backfill_goes_on_where_it_stopped(
    river: River, monkeypatch: pytest.MonkeyPatch
) -> None:
    river.sync()
    whole = river.source.candles

    def dies_later(*arguments: Any, **options: Any) -> Iterator[CandlePage]:
        if river.conn.execute("SELECT FROM ledger.landing").fetchall():
            raise ConnectionError("killed")
        return whole(*arguments, **options)

    monkeypatch.setattr(river.source, "candles", dies_later)
    with pytest.raises(ConnectionError):
        river.backfill(DAYS, run_id="one")
    landed_before = river.conn.execute("SELECT count(*) FROM ledger.landing").fetchone()
    assert landed_before is not None
    assert landed_before[0] > 0
    monkeypatch.undo()
    river.backfill(DAYS, run_id="one")
    rows = river.conn.execute(
        "SELECT count(*), count(DISTINCT (symbol, span_start)) FROM ledger.landing"
    ).fetchone()
    assert rows is not None
    assert rows[0] == rows[1]
    river.check()
    river.load(run_id="one")
    river.cascade(run_id="one")
    check_all(river.dsn, river.venue_url, SYMBOLS)
