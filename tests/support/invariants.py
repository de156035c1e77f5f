"""I1 to I6: what must hold after anything that happens to the river.

I1 no acknowledged row is lost. I2 no candle is stored twice. I3 every stored value is the venue's.
I4 coverage holds no minute that is neither stored nor explained. I5 every absent minute is written
down as a gap. I6 nothing unchecked is visible, and every row handed in is accounted for.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Truth:
    """What a perfect client holds of a span: candles by open time, whatever else was absent.

    ``kinds`` says why a minute is absent: missing, outage, late, not_listed, delisted.
    """

    candles: dict[int, tuple[float | int, ...]]
    kinds: dict[int, str]
    server_time_ms: int


def check_honest(
    dsn: str, venue_url: str, venue: str, symbols: Iterable[str], *, venue_lied: bool = False
) -> None:
    """Assert what must hold at any moment of any run, finished or not, against the truth ledger.

    With ``venue_lied``, covered minutes that the venue hid twice may be absent: only their gap is
    demanded, as long as the venue keeps to its lie.
    """
    with psycopg.connect(dsn, autocommit=True) as conn:
        for symbol in symbols:
            _check_series(conn, venue_url, venue, symbol, venue_lied=venue_lied)
        check_uniqueness(conn)
        check_accounts(conn)
        check_cascade(conn)


def check_complete(
    dsn: str, venue_url: str, venue: str, symbols: Iterable[str], span: Span
) -> None:
    """Assert that all of ``span`` is proven, and that its minutes are those of the truth."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        for symbol in symbols:
            truth = ask_truth(venue_url, venue, symbol, span)
            stored = _candles(conn, venue, symbol, span)
            assert stored.keys() == truth.candles.keys(), f"{symbol} {span}: other minutes"
            covered = set(_minutes(_ledger_spans(conn, _COVERED, venue, symbol)))
            unproven = [at for at in range(span.start_ms, span.end_ms, MINUTE_MS)
                        if at not in covered]  # fmt: skip
            assert not unproven, f"{symbol}: {len(unproven)} unproven, first {unproven[0]}"


def _check_series(
    conn: psycopg.Connection[Any], venue_url: str, venue: str, symbol: str, *, venue_lied: bool
) -> None:
    covered = _ledger_spans(conn, _COVERED, venue, symbol)
    spoken_for = _ledger_spans(conn, _LOADED, venue, symbol)
    bounds = conn.execute(
        "SELECT min(open_time), max(open_time) FROM market.candle_1m "
        "JOIN market.instrument USING (instrument_id) JOIN market.venue USING (venue_id) "
        "WHERE name = %s AND symbol = %s",
        (venue, symbol),
    ).fetchone() or (None, None)
    held = [] if bounds[0] is None else [Span(to_ms(bounds[0]), to_ms(bounds[1]) + MINUTE_MS)]
    known = [*covered, *spoken_for, *held]
    if not known:
        return
    hull = Span(min(span.start_ms for span in known), max(span.end_ms for span in known))
    truth = ask_truth(venue_url, venue, symbol, hull)
    stored = _candles(conn, venue, symbol, hull)
    # I1, I3, I6: what is visible is the venue's own candle of that minute, to the last bit.
    wrong = [at for at, values in stored.items() if not _agree(values, truth.candles.get(at))]
    assert not wrong, (
        f"{symbol}: {len(wrong)} of {len(stored)} stored candles are not the venue's, e.g. "
        f"{wrong[0]}: {stored[wrong[0]]}, in truth {truth.candles.get(wrong[0])}"
    )
    explained = set(_minutes(_ledger_spans(conn, _EXPLAINED, venue, symbol)))
    # I4: the watermark is never beyond what is stored, or absent in truth and written down.
    beyond = [
        at
        for at in _minutes(covered)
        if at not in stored and (at not in explained or (at in truth.candles and not venue_lied))
    ]
    assert not beyond, f"{symbol}: {len(beyond)} covered minutes unproven, e.g. {beyond[0]}"
    late = [span for span in covered if span.end_ms > truth.server_time_ms]
    assert not late, f"{symbol}: coverage {late} reaches beyond the venue's clock"
    # I5: whatever was asked for and did not come is written down, explained or not.
    gaps = set(_minutes(_ledger_spans(conn, _OPEN, venue, symbol)))
    silent = [at for at in _minutes(spoken_for) if at not in stored and at not in gaps]
    assert not silent, f"{symbol}: {len(silent)} minutes lost without a word, e.g. {silent[0]}"


def _agree(stored: tuple[Any, ...], truth: tuple[Any, ...] | None) -> bool:
    # None stands where a source never states the column; such sources are few and name them.
    return truth is not None and all(
        mine is None or mine == theirs for mine, theirs in zip(stored, truth, strict=True)
    )


def ask_truth(venue_url: str, venue: str, symbol: str, span: Span) -> Truth:
    """Return the truth ledger's word on ``span``; it is never faulty and weighs nothing."""
    side = "usdm" if venue == "binance_usdm" else "spot"
    query = (
        f"venue={side}&symbol={symbol.replace('/', '')}&interval=1m"
        f"&startTime={span.start_ms}&endTime={span.end_ms}"
    )
    with urllib.request.urlopen(f"{venue_url}/sim/truth/candles?{query}", timeout=300) as answer:  # noqa: S310
        told = json.load(answer)
    candles = {row[0]: _values(row) for row in told["rows"] if row[0] % MINUTE_MS == 0}
    for row in told["rows"]:
        # One that opens beside the grid belongs to the place it is nearest to, where that is free.
        candles.setdefault((row[0] + MINUTE_MS // 2) // MINUTE_MS * MINUTE_MS, _values(row))
    kinds = {
        at: entry["kind"]
        for entry in told["absent"]
        for at in range(entry["from_ms"], entry["to_ms"], MINUTE_MS)
    }
    return Truth(candles, kinds, told["server_time_ms"])


def _candles(
    conn: psycopg.Connection[Any], venue: str, symbol: str, span: Span
) -> dict[int, tuple[Any, ...]]:
    rows = conn.execute(
        f"SELECT open_time, {', '.join(VALUE_COLUMNS)} FROM market.candle_1m "
        "JOIN market.instrument USING (instrument_id) JOIN market.venue USING (venue_id) "
        "WHERE name = %s AND symbol = %s AND open_time >= %s AND open_time < %s",
        (venue, symbol, span.start_time, span.end_time),
    ).fetchall()
    return {to_ms(row[0]): tuple(row[1:]) for row in rows}


_COVERED = """
    SELECT lower(part), upper(part) FROM ledger.coverage
    JOIN market.instrument USING (instrument_id) JOIN market.venue USING (venue_id),
    unnest(covered) AS part WHERE dataset = 'candle_1m' AND name = %s AND symbol = %s
"""
_LOADED = """
    SELECT span_start, span_end FROM ledger.landing
    WHERE state = 'loaded' AND dataset = 'candle_1m' AND venue = %s AND symbol = %s
"""
_OPEN = """
    SELECT span_start, span_end FROM ledger.gap
    JOIN market.instrument USING (instrument_id) JOIN market.venue USING (venue_id)
    WHERE dataset = 'candle_1m' AND closed_at IS NULL AND name = %s AND symbol = %s
"""
_EXPLAINED = _OPEN + " AND ledger.is_explained(reason)"


def _ledger_spans(conn: psycopg.Connection[Any], query: str, venue: str, symbol: str) -> list[Span]:
    rows = conn.execute(query, (venue, symbol)).fetchall()
    return [Span(to_ms(start), to_ms(end)) for start, end in rows]


def _minutes(spans: Iterable[Span]) -> Iterator[int]:
    for span in spans:
        yield from range(-(-span.start_ms // MINUTE_MS) * MINUTE_MS, span.end_ms, MINUTE_MS)


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
    # Rows in = accepted + refused, and what was accepted is what the load was handed.
    miscounted = conn.execute(
        """
        SELECT landing_id FROM ledger.verdict
        JOIN ledger.landing USING (landing_id, payload_sha256)
        LEFT JOIN ledger.load USING (load_id)
        WHERE (results ->> 'rows')::bigint <> verdict.rows + verdict.refused
        OR rows_in <> verdict.rows
        """
    ).fetchall()
    assert miscounted == [], f"landings {miscounted[:3]} lost or invented rows"
    unchecked = conn.execute(
        "SELECT landing_id FROM ledger.landing WHERE state = 'loaded' AND landing_id NOT IN "
        "(SELECT landing_id FROM ledger.verdict)"
    ).fetchall()
    assert unchecked == []
    unseen = conn.execute(
        """
        SELECT count(*) FROM market.candle_1m WHERE NOT EXISTS (
            SELECT FROM ledger.load JOIN ledger.landing USING (load_id)
            WHERE load.load_id = candle_1m.load_id AND landing.state = 'loaded'
        )
        """
    ).fetchone()
    assert unseen == (0,), f"{unseen} candles are visible that no checked landing brought"
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
                    CASE WHEN count(trade_count) = count(*) THEN sum(trade_count) END
                        AS trade_count, count(*) AS children
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
        with urllib.request.urlopen(f"{venue_url}/api/v3/klines?{query}", timeout=300) as answer:  # noqa: S310
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
