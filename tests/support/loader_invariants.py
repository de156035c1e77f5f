"""I1 to I6 inside the warehouse itself: what must hold after anything that happens to a load.

Each is one query that lists offenders, so that a failure shows them. What the values ought to be is
for the test to say; these hold without knowing it.
"""

from __future__ import annotations

from typing import Any, Final

import psycopg

TABLES: Final = ("1m", "5m", "30m", "4h")

# What each instrument has, as sets of time.
_SERIES: Final = """
    CREATE TEMPORARY TABLE series ON COMMIT DROP AS
    SELECT instrument_id, coalesce(stored, '{}') AS stored, coalesce(covered, '{}') AS covered,
        coalesce(missing, '{}') AS missing, coalesce(explained, '{}') AS explained
    FROM market.instrument LEFT JOIN (
        SELECT instrument_id,
            range_agg(tstzrange(open_time, open_time + interval '1 min')) AS stored
        FROM market.candle_1m GROUP BY 1
    ) AS rows USING (instrument_id) LEFT JOIN (
        SELECT instrument_id, covered FROM ledger.coverage WHERE dataset = 'candle_1m'
    ) AS proven USING (instrument_id) LEFT JOIN (
        SELECT instrument_id, range_agg(tstzrange(span_start, span_end)) AS missing,
            range_agg(tstzrange(span_start, span_end)) FILTER (WHERE ledger.is_explained(reason))
                AS explained
        FROM ledger.gap WHERE dataset = 'candle_1m' AND closed_at IS NULL GROUP BY 1
    ) AS absent USING (instrument_id)
"""

_OFFENDERS: Final = {
    "I2: a key is stored twice": """
        SELECT instrument_id, open_time, count(*) FROM market.candle_1m
        GROUP BY 1, 2 HAVING count(*) > 1
    """,
    "I1: receipts and rows differ": """
        SELECT inserted, stored, updated, kept FROM
            (SELECT coalesce(sum(rows_inserted), 0) AS inserted,
                coalesce(sum(rows_updated), 0) AS updated
                FROM ledger.load WHERE dataset = 'candle_1m') AS receipts,
            (SELECT count(*) AS stored FROM market.candle_1m) AS rows,
            (SELECT count(*) AS kept FROM market.candle_revision WHERE timeframe = '1m') AS old
        WHERE inserted <> stored OR updated <> kept
    """,
    "I1: a stored row names no load of this dataset": """
        SELECT instrument_id, open_time, c.load_id, c.source FROM market.candle_1m AS c
        LEFT JOIN ledger.load AS l USING (load_id)
        WHERE l.load_id IS NULL OR l.dataset <> 'candle_1m' OR l.source <> c.source
            OR c.open_time < l.span_start OR c.open_time >= l.span_end
    """,
    "I3: a chain of revisions is broken": """
        SELECT instrument_id, open_time, c.revision, r.kept, r.newest
        FROM market.candle_1m AS c
        LEFT JOIN (
            SELECT instrument_id, open_time, count(*) AS kept, max(revision) AS newest,
                max(upper(recorded_during)) AS until, range_agg(recorded_during) AS lived
            FROM market.candle_revision WHERE timeframe = '1m' GROUP BY 1, 2
        ) AS r USING (instrument_id, open_time)
        WHERE coalesce(r.kept, 0) <> c.revision - 1
            OR coalesce(r.newest, 0) <> c.revision - 1
            OR (r.kept > 0 AND r.until <> c.recorded_at)
            OR (r.kept > 0 AND (SELECT count(*) FROM unnest(r.lived)) <> 1)
    """,
    "I3: a replaced value has no successor": """
        SELECT instrument_id, open_time, revision FROM market.candle_revision AS r
        WHERE timeframe = '1m' AND NOT EXISTS (
            SELECT FROM market.candle_1m AS c
            WHERE c.instrument_id = r.instrument_id AND c.open_time = r.open_time
        )
    """,
    "I4: a covered minute is neither stored nor explained": """
        SELECT instrument_id, covered - stored - explained FROM pg_temp.series
        WHERE NOT isempty(covered - stored - explained)
    """,
    "I4: a stored minute that was spoken for is not covered": """
        SELECT instrument_id, stored - covered FROM pg_temp.series
        WHERE NOT isempty(stored - covered)
    """,
    "I5: a minute asked for is absent without a gap": """
        SELECT instrument_id, asked - stored - missing FROM (
            SELECT a.instrument_id,
                range_agg(a.valid_during * tstzrange(l.span_start, l.span_end)) AS asked
            FROM ledger.landing AS l
            JOIN market.venue ON venue.name = l.venue
            JOIN market.instrument_alias AS a USING (venue_id, symbol)
            WHERE l.state = 'loaded' AND l.dataset = 'candle_1m'
                AND l.loaded_at >= %(names_settled_at)s
            GROUP BY 1
        ) AS spoken_for JOIN pg_temp.series AS series USING (instrument_id)
        WHERE NOT isempty(asked - stored - missing)
    """,
    "I5: an open gap holds a stored minute": """
        SELECT instrument_id, missing * stored FROM pg_temp.series
        WHERE NOT isempty(missing * stored)
    """,
    "I5: open gaps overlap": """
        SELECT a.gap_id, b.gap_id FROM ledger.gap AS a JOIN ledger.gap AS b
            ON a.dataset = b.dataset AND a.instrument_id = b.instrument_id AND a.gap_id < b.gap_id
            AND a.span_start < b.span_end AND b.span_start < a.span_end
        WHERE a.closed_at IS NULL AND b.closed_at IS NULL
    """,
    "I6: a receipt does not add up": """
        SELECT l.load_id, rows_in, rows_inserted, rows_updated, rows_unchanged, rows_quarantined
        FROM ledger.load AS l
        WHERE rows_in <> rows_inserted + rows_updated + rows_unchanged + rows_quarantined
            OR rows_quarantined <> (
                SELECT count(*) FROM ledger.quarantine AS q WHERE q.load_id = l.load_id
            )
    """,
    "I6: a loaded landing has no receipt, or the receipt of another": """
        SELECT g.landing_id FROM ledger.landing AS g LEFT JOIN ledger.load AS l USING (load_id)
        WHERE g.state = 'loaded' AND (
            l.load_id IS NULL OR l.venue <> g.venue OR l.symbol <> g.symbol
            OR l.payload_sha256 <> g.payload_sha256 OR l.span_start <> g.span_start
            OR l.span_end <> g.span_end OR l.observed_at <> g.landed_at
        )
    """,
    "a stored row is in no change of its load": """
        SELECT load_id, instrument_id, rows - coalesce(told, '{}') FROM (
            SELECT load_id, instrument_id,
                range_agg(tstzrange(open_time, open_time + interval '1 min')) AS rows
            FROM market.candle_1m GROUP BY 1, 2
        ) AS stored LEFT JOIN (
            SELECT load_id, instrument_id, range_agg(tstzrange(span_start, span_end)) AS told
            FROM ledger.change WHERE dataset = 'candle_1m' GROUP BY 1, 2
        ) AS changed USING (load_id, instrument_id)
        WHERE NOT isempty(rows - coalesce(told, '{}'))
    """,
    "a change names no load": """
        SELECT change_id FROM ledger.change LEFT JOIN ledger.load USING (load_id)
        WHERE load.load_id IS NULL
    """,
    "a table is left in the way of readers": """
        SELECT oid::regclass FROM pg_class
        WHERE relnamespace = 'market'::regnamespace AND relkind = 'r' AND NOT relispartition
            AND relname ~ '^candle_(1m|5m|30m|4h)'
    """,
}


def check_ledger(
    connection: psycopg.Connection[Any], *, names_settled_at: object = "-infinity"
) -> None:
    """Assert that no query of the list finds an offender.

    What landings loaded before ``names_settled_at`` said of a symbol may have been said of another
    instrument than the one it means now.
    """
    values = {"names_settled_at": names_settled_at}
    connection.execute(_SERIES)
    for name, text in _OFFENDERS.items():
        found = connection.execute(text, values).fetchall()
        assert found == [], f"{name}: {len(found)}, e.g. {found[:3]}"
    connection.commit()
