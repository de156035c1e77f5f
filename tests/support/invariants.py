"""I1 to I6: what must hold after anything that happens to the river.

I1 no acknowledged row is lost. I2 no candle is stored twice. I3 every stored value is the venue's.
I4 coverage holds no minute that is neither stored nor explained. I5 every absent minute is written
down as a gap. I6 nothing unchecked is visible, and every row handed in is accounted for.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterable
from typing import Any

import psycopg

from include.market.candle import VALUE_COLUMNS
from include.market.span import Span, to_ms

MINUTE_MS = 60_000


def check_all(dsn: str, venue_url: str, symbols: Iterable[str]) -> int:
    """Assert every invariant for ``symbols``; return how many 1m candles were compared."""
    with psycopg.connect(dsn) as conn:
        compared = 0
        for symbol in symbols:
            spans = covered_spans(conn, symbol)
            assert spans, f"{symbol} has no coverage"
            for span in spans:
                compared += check_values(conn, venue_url, symbol, span)
                check_absence(conn, symbol, span)
        check_uniqueness(conn)
        check_accounts(conn)
        check_cascade(conn)
    return compared


def check_values(conn: psycopg.Connection[Any], venue_url: str, symbol: str, span: Span) -> int:
    """I1 and I3: the table holds exactly the venue's candles of ``span``."""
    truth = {row[0]: _values(row) for row in venue_klines(venue_url, symbol, span)}
    stored = {to_ms(row[0]): tuple(row[1:]) for row in _stored(conn, symbol, span)}
    assert stored.keys() == truth.keys(), f"{symbol} {span}: other minutes than the venue"
    different = [open_ms for open_ms in truth if stored[open_ms] != truth[open_ms]]
    assert not different, f"{symbol}: {len(different)} candles differ, first at {different[0]}"
    return len(truth)


def check_absence(conn: psycopg.Connection[Any], symbol: str, span: Span) -> None:
    """I4 and I5: a covered minute is stored, or an open gap with a reason holds it."""
    rows = conn.execute(
        """
        SELECT count(*)
        FROM generate_series(%(start)s, %(last)s, interval '1 minute') AS expected (at)
        JOIN market.instrument ON instrument.symbol = %(symbol)s
        WHERE NOT EXISTS (
            SELECT FROM market.candle_1m AS candle
            WHERE candle.instrument_id = instrument.instrument_id AND candle.open_time = expected.at
        ) AND NOT EXISTS (
            SELECT FROM ledger.gap
            WHERE gap.dataset = 'candle_1m' AND gap.instrument_id = instrument.instrument_id
            AND closed_at IS NULL AND ledger.is_explained(gap.reason)
            AND expected.at >= gap.span_start AND expected.at < gap.span_end
        )
        """,
        {
            "symbol": symbol,
            "start": span.start_time,
            "last": Span(span.end_ms - MINUTE_MS, span.end_ms).start_time,
        },
    ).fetchone()
    assert rows == (0,), f"{symbol} {span}: {rows} covered minutes neither stored nor explained"


def check_uniqueness(conn: psycopg.Connection[Any]) -> None:
    """I2: no key twice, in any candle table, across partitions."""
    for label in ("1m", "5m", "30m", "4h"):
        doubled = conn.execute(
            f"SELECT instrument_id, open_time FROM market.candle_{label} "
            "GROUP BY 1, 2 HAVING count(*) > 1"
        ).fetchall()
        assert doubled == [], f"candle_{label}: {doubled[:3]}"


def check_accounts(conn: psycopg.Connection[Any]) -> None:
    """I6: rows landed = accepted + refused; rows loaded add up; every stored row has its load."""
    unbalanced = conn.execute(
        """
        SELECT landing_id FROM ledger.landing JOIN ledger.verdict USING (landing_id)
        WHERE verdict.refused <> (
            SELECT count(*) FROM ledger.quarantine AS q WHERE q.verdict_id = verdict.verdict_id
        )
        """
    ).fetchall()
    assert unbalanced == []
    unchecked = conn.execute(
        "SELECT landing_id FROM ledger.landing WHERE state = 'loaded' AND landing_id NOT IN "
        "(SELECT landing_id FROM ledger.verdict)"
    ).fetchall()
    assert unchecked == []
    loads = conn.execute(
        """
        SELECT load.load_id FROM ledger.load WHERE rows_quarantined <> (
            SELECT count(*) FROM ledger.quarantine AS q WHERE q.load_id = load.load_id
        ) OR rows_in <> rows_inserted + rows_updated + rows_unchanged + rows_quarantined
        """
    ).fetchall()
    assert loads == []
    inserted, stored = conn.execute(
        "SELECT (SELECT coalesce(sum(rows_inserted), 0) FROM ledger.load "
        "WHERE dataset = 'candle_1m'), (SELECT count(*) FROM market.candle_1m)"
    ).fetchone() or (0, 1)
    assert inserted == stored, f"{inserted} rows acknowledged as new, {stored} stored"


def check_cascade(conn: psycopg.Connection[Any]) -> None:
    """Every coarse candle is its children, and no settled bucket is absent."""
    for finer, coarser, interval in (
        ("1m", "5m", "5 minutes"),
        ("5m", "30m", "30 minutes"),
        ("30m", "4h", "4 hours"),
    ):
        wrong = conn.execute(
            f"""
            WITH rolled AS (
                SELECT instrument_id,
                    date_bin(%(interval)s, open_time, 'epoch'::timestamptz) AS open_time,
                    (array_agg(open ORDER BY open_time))[1] AS open, max(high) AS high,
                    min(low) AS low, (array_agg(close ORDER BY open_time DESC))[1] AS close,
                    sum(trade_count) AS trade_count, count(*) AS children
                FROM market.candle_{finer} GROUP BY 1, 2
            )
            SELECT instrument_id, open_time
            FROM market.candle_{coarser} AS c LEFT JOIN rolled AS r USING (instrument_id, open_time)
            WHERE (c.open, c.high, c.low, c.close, c.trade_count, c.children_present)
                IS DISTINCT FROM (r.open, r.high, r.low, r.close, r.trade_count, r.children)
            """,
            {"interval": interval},
        ).fetchall()
        assert wrong == [], f"candle_{coarser}: {wrong[:3]}"
        absent = conn.execute(
            f"""
            WITH settled AS (
                SELECT DISTINCT instrument_id,
                    date_bin(%(interval)s, open_time, 'epoch'::timestamptz) AS open_time
                FROM market.candle_1m
            )
            SELECT instrument_id, open_time
            FROM settled JOIN ledger.coverage USING (instrument_id)
            WHERE dataset = 'candle_1m'
            AND covered @> tstzrange(open_time, open_time + %(interval)s::interval)
            AND NOT EXISTS (
                SELECT FROM market.candle_{coarser} AS c
                WHERE c.instrument_id = settled.instrument_id AND c.open_time = settled.open_time
            )
            """,
            {"interval": interval},
        ).fetchall()
        assert absent == [], f"candle_{coarser} lacks {len(absent)} settled buckets: {absent[:3]}"


def covered_spans(conn: psycopg.Connection[Any], symbol: str) -> list[Span]:
    """Return what the ledger says is proven of ``symbol``'s 1m candles."""
    rows = conn.execute(
        "SELECT lower(part), upper(part) FROM ledger.coverage "
        "JOIN market.instrument USING (instrument_id), unnest(covered) AS part "
        "WHERE dataset = 'candle_1m' AND symbol = %s",
        (symbol,),
    ).fetchall()
    return [Span(to_ms(start), to_ms(end)) for start, end in rows]


def venue_klines(venue_url: str, symbol: str, span: Span) -> list[list[Any]]:
    """Ask the venue itself, without any of our client code."""
    rows: list[list[Any]] = []
    cursor_ms = span.start_ms
    while cursor_ms < span.end_ms:
        bounds = f"startTime={cursor_ms}&endTime={span.end_ms - 1}&limit=1000"
        query = f"symbol={symbol}&interval=1m&{bounds}"
        with urllib.request.urlopen(f"{venue_url}/api/v3/klines?{query}", timeout=30) as answer:  # noqa: S310
            page = json.load(answer)
        if not page:
            break
        rows += page
        cursor_ms = page[-1][0] + MINUTE_MS
    return rows


def _values(row: list[Any]) -> tuple[float | int, ...]:
    # Order of VALUE_COLUMNS; positions in Binance's kline array.
    return (*(float(row[at]) for at in (1, 2, 3, 4, 5, 7, 9, 10)), int(row[8]))


def _stored(conn: psycopg.Connection[Any], symbol: str, span: Span) -> list[tuple[Any, ...]]:
    return conn.execute(
        f"SELECT open_time, {', '.join(VALUE_COLUMNS)} FROM market.candle_1m "
        "JOIN market.instrument USING (instrument_id) "
        "WHERE symbol = %s AND open_time >= %s AND open_time < %s",
        (symbol, span.start_time, span.end_time),
    ).fetchall()
