"""Every account of a day, against the bundled exchange: silence where all agree, and then not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from include.exchanges.base import CandlePage
from include.jobs.day_accounts import sample_minutes
from include.jobs.reconcile_sources import reconcile_venue, turn_of
from include.market.errors import SourceUnavailableError
from include.market.span import Span, to_ms
from include.market.timeframe import DAY_MS, M1
from include.notify.outbox import OutboxSender
from tests.support.river import River
from tests.support.simulator import run_simulator

NOW = datetime(2026, 11, 10, 9, 17, 23, tzinfo=UTC)
SYMBOLS = ("BTCUSDT", "ETHUSDT")
TODAY_MS = to_ms(NOW) // DAY_MS * DAY_MS
DAY = Span(TODAY_MS - DAY_MS, TODAY_MS)
LENGTHS = {
    "candle_1m": "interval '1 minute'",
    "candle_5m": "interval '5 minutes'",
    "candle_30m": "interval '30 minutes'",
    "candle_4h": "interval '4 hours'",
}
FOUND = (
    "SELECT timeframe, left_source, right_source, kind, columns, told_at IS NOT NULL "
    "FROM ledger.reconciliation WHERE gone_at IS NULL ORDER BY open_time, timeframe"
)


@pytest.fixture(scope="module")
def venue_url() -> Iterator[str]:
    with run_simulator(
        "--seed", "7", "--instruments", ",".join(SYMBOLS), "--clock", f"frozen:{to_ms(NOW)}",
        "--outages-per-year", "0",
    ) as url:  # fmt: skip
        yield url


@pytest.fixture
def river(loader_dsn: str, venue_url: str, tmp_path: Path) -> Iterator[River]:
    river = River(loader_dsn, venue_url, tmp_path, SYMBOLS, with_archive=True)
    river.sync()
    river.backfill(DAY, run_id="history")
    river.check()
    river.load(run_id="history")
    river.cascade(run_id="history")
    yield river
    river.close()


def reconcile(river: River, *, at: datetime = NOW, **changes: int) -> dict[str, int]:
    return reconcile_venue(
        river.conn,
        river.source,
        river.archive,
        replace(river.settings, **changes),
        river.symbols,
        at=at,
        sender=OutboxSender(river.outbox),
    )


def test_all_accounts_of_a_day_agree_and_a_planted_difference_is_told_once(river: River) -> None:
    quiet = reconcile(river)
    # Stored, archive and trades with REST, and three coarse timeframes with the venue's own.
    assert quiet == {
        "instruments": 2,
        "comparisons": 12,
        "compared": 2 * (2 * 1440 + 5 + 288 + 48 + 6),
        "differences": 0,
        "failed": 0,
        "told": 0,
    }
    pairs = river.conn.execute(
        "SELECT DISTINCT left_source, right_source, timeframe FROM ledger.reconciliation_run "
        "WHERE compared = equal + rounding"
    ).fetchall()
    assert sorted(pairs) == [  # type: ignore[type-var]
        ("archive", "rest", "1m"),
        ("stored", "native", "30m"),
        ("stored", "native", "4h"),
        ("stored", "native", "5m"),
        ("stored", "rest", "1m"),
        ("trades", "rest", "1m"),
    ]
    assert not list(river.outbox.glob("*"))

    for statement in (
        "UPDATE market.candle_1m SET volume = volume + 1 WHERE instrument_id = 1 "
        "AND open_time = '2026-11-09 03:07Z'",
        "UPDATE market.candle_1m SET source = 'rest', open = open * 1.001, high = high * 1.001 "
        "WHERE instrument_id = 1 AND open_time = '2026-11-09 04:00Z'",
        # Bybit's defect, on our side: the bar as it stood before it was over.
        "UPDATE market.candle_5m SET volume = volume / 2, close = open, trade_count = 1, "
        "quote_volume = quote_volume / 2, taker_buy_volume = 0, taker_buy_quote_volume = 0 "
        "WHERE instrument_id = 2 AND open_time = '2026-11-09 05:00Z'",
    ):
        assert river.conn.execute(statement).rowcount == 1
    first = reconcile(river)
    assert (first["differences"], first["told"]) == (3, 3)
    assert river.conn.execute(FOUND).fetchall() == [
        ("1m", "stored", "rest", "differs", ["volume"], True),
        ("1m", "stored", "rest", "revised", ["open", "high"], True),
        (
            "5m",
            "stored",
            "native",
            "unfinished_left",
            ["close", "volume", "quote_volume", "taker_buy_volume", "taker_buy_quote_volume",
             "trade_count"],
            True,
        ),
    ]  # fmt: skip
    (message,) = river.outbox.glob("*")
    assert "stored and native differ in 1 candle(s)" in message.read_text()
    again = reconcile(river)
    assert (again["differences"], again["told"]) == (3, 0)
    assert len(list(river.outbox.glob("*"))) == 1

    river.conn.execute(
        "UPDATE market.candle_1m SET volume = volume - 1 WHERE instrument_id = 1 "
        "AND open_time = '2026-11-09 03:07Z'"
    )
    reconcile(river)
    assert len(river.conn.execute(FOUND).fetchall()) == 2


def test_a_day_in_doubt_is_compared_again_until_the_accounts_agree(river: River) -> None:
    change = "UPDATE market.candle_1m SET volume = volume {} 1 WHERE instrument_id = 1 " + (
        "AND open_time = '2026-11-09 03:07Z'"
    )
    yesterday = NOW - timedelta(days=1)
    # The newest day that had settled then is not proven loaded, so there is nothing to compare.
    assert reconcile(river, at=yesterday)["instruments"] == 0
    river.conn.execute(change.format("+"))
    assert reconcile(river)["differences"] == 1
    assert reconcile(river, at=yesterday)["differences"] == 1
    river.conn.execute(change.format("-"))
    again = reconcile(river, at=yesterday)
    assert (again["instruments"], again["differences"]) == (1, 0)
    assert river.conn.execute(FOUND).fetchall() == []


def test_what_the_stream_told_is_compared_even_when_replaced(river: River) -> None:
    river.conn.execute(
        "UPDATE market.candle_1m SET source = 'stream' WHERE instrument_id = 1 "
        "AND open_time < '2026-11-09 00:30Z'"
    )
    river.conn.execute(
        "INSERT INTO market.candle_revision (timeframe, instrument_id, open_time, revision, open, "
        "high, low, close, volume, quote_volume, taker_buy_volume, taker_buy_quote_volume, "
        "trade_count, source, load_id, recorded_during) SELECT '1m', instrument_id, open_time, 1, "
        "open, high, low, close, volume / 2, quote_volume / 2, taker_buy_volume / 2, "
        "taker_buy_quote_volume / 2, 1, 'stream', load_id, "
        "tstzrange(recorded_at - interval '1 hour', recorded_at) FROM market.candle_1m "
        "WHERE instrument_id = 1 AND open_time = '2026-11-09 07:00Z'"
    )
    reconcile(river)
    counts = river.conn.execute(
        "SELECT compared, equal, differing FROM ledger.reconciliation_run "
        "WHERE left_source = 'stream'"
    ).fetchall()
    assert counts == [(31, 30, 1)]
    assert [row[1:4] for row in river.conn.execute(FOUND).fetchall()] == [
        ("stream", "rest", "unfinished_left")
    ]


def test_what_another_venue_lent_contradicts_the_own_one_only_where_that_speaks(
    river: River, monkeypatch: pytest.MonkeyPatch
) -> None:
    lent = "volume = volume + 1, flags = flags | 16 WHERE instrument_id = 1 AND"
    minute = "'2026-11-09 03:07Z'"
    for table in ("candle_1m", "candle_5m", "candle_30m", "candle_4h"):
        bucket = f"market.bucket_start({LENGTHS[table]}, {minute}::timestamptz)"
        changed = river.conn.execute(f"UPDATE market.{table} SET {lent} open_time = {bucket}")
        assert changed.rowcount == 1
    first = reconcile(river)
    # The venue has its own candle by now; of buckets nobody can tell what they ought to be.
    assert [row[:4] for row in river.conn.execute(FOUND).fetchall()] == [
        ("1m", "stored", "rest", "differs")
    ]
    assert first["compared"] == 2 * (2 * 1440 + 5 + 288 + 48 + 6) - 3

    whole = river.source.candles

    def lacking(*arguments: Any, **options: Any) -> Iterator[CandlePage]:
        for page in whole(*arguments, **options):
            kept = page.rows.take(page.rows.open_ms != DAY.start_ms + 187 * M1.length_ms)
            yield replace(page, rows=kept)

    monkeypatch.setattr(river.source, "candles", lacking)
    river.archive = None
    reconcile(river)
    missing = [row[:4] for row in river.conn.execute(FOUND).fetchall()]
    # Instrument 2 has a candle of its own there.
    assert missing == [("1m", "stored", "rest", "missing_right")]


def test_an_account_that_cannot_be_had_costs_no_other(
    river: River, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = river.source.candles

    def fails(symbol: str, timeframe: Any, *arguments: Any, **options: Any) -> Iterator[CandlePage]:
        if symbol == "BTCUSDT" and timeframe == M1:
            raise SourceUnavailableError("no answer: ask again later")
        return whole(symbol, timeframe, *arguments, **options)

    monkeypatch.setattr(river.source, "candles", fails)
    totals = reconcile(river)
    assert (totals["instruments"], totals["comparisons"], totals["failed"]) == (2, 9, 1)
    assert totals["differences"] == 0


def test_a_day_that_is_not_covered_is_no_difference(river: River) -> None:
    river.conn.execute(
        "UPDATE ledger.coverage SET covered = covered - tstzmultirange(tstzrange("
        "'2026-11-09 10:00Z', '2026-11-09 11:00Z')) WHERE instrument_id = 1"
    )
    totals = reconcile(river, reconcile_trade_minutes=1)
    assert (totals["instruments"], totals["differences"]) == (1, 0)


def test_every_symbol_has_its_turn() -> None:
    symbols = [f"S{number}" for number in range(7)]
    turns = [turn_of(symbols, Span(day * DAY_MS, (day + 1) * DAY_MS), 3) for day in range(7)]
    assert all(len(turn) == len(set(turn)) == 3 for turn in turns)
    counted = sorted(symbol for turn in turns for symbol in turn)
    assert counted == sorted(symbols * 3)
    assert turn_of(symbols, Span(0, DAY_MS), 7) == symbols


def test_other_minutes_are_built_from_trades_for_every_symbol_and_day() -> None:
    spans = {sample_minutes(f"S{number}", DAY, 5) for number in range(20)}
    assert len(spans) > 15
    for span in spans:
        assert DAY.start_ms <= span.start_ms
        assert span.end_ms <= DAY.end_ms
        assert span.start_ms % M1.length_ms == 0
        assert span.end_ms - span.start_ms == 5 * M1.length_ms
    assert sample_minutes("S1", DAY, 5) == sample_minutes("S1", DAY, 5)
    assert sample_minutes("S1", DAY, 10_000) == DAY
