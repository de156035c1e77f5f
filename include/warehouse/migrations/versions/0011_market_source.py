"""Where values come from: which source outranks which, and reads that know made-up rows."""

from __future__ import annotations

from alembic import op

from include.warehouse.migrations.comments import comment, comment_table

revision = "0011"
down_revision = "0010"

# Smaller outranks larger. Sources of one rank are equals: the later observation wins.
SOURCES = (
    ("reference", 5, False, "Reference data as the venue states it"),
    ("cascade", 5, False, "Computed from finer candles that are stored"),
    ("archive", 10, False, "The venue's own published files, verified by checksum"),
    ("file", 10, False, "Files the operator trusts in place of a venue"),
    ("rest", 20, False, "The venue's REST interface"),
    ("ccxt", 20, False, "The venue's REST interface, read through ccxt"),
    ("stream", 30, False, "The venue's live stream"),
    ("trades", 40, False, "Built by us from single trades"),
    ("synthetic", 90, True, "Made up where nothing was traded; no venue ever stated it"),
)
TIMEFRAMES = (("1m", "1 minute"), ("5m", "5 minutes"), ("30m", "30 minutes"), ("4h", "4 hours"))
VALUES = (
    "open, high, low, close, volume, quote_volume, taker_buy_volume, taker_buy_quote_volume, "
    "trade_count"
)
CHILDREN = "children_present, children_expected"
PROVENANCE = "source, revision, load_id, recorded_at"
MEANING = {
    "timeframe": "Candle table: 1m, 5m, 30m, 4h.",
    "instrument_id": "Whose candle.",
    "open_time": "First instant of the bucket, UTC.",
    "open": "First price, in quote units.",
    "high": "Highest price, in quote units.",
    "low": "Lowest price, in quote units.",
    "close": "Last price, in quote units.",
    "volume": "Quantity traded, in base units.",
    "quote_volume": "Quantity traded, in quote units; null where not stated.",
    "taker_buy_volume": "Quantity bought by takers, in base units; null where not stated.",
    "taker_buy_quote_volume": "Quantity bought by takers, in quote units; null where not stated.",
    "trade_count": "Number of trades; null where not stated.",
    "children_present": "Finer candles it was built from; null for 1m.",
    "children_expected": "Finer candles a full bucket has; null for 1m.",
    "source": "Way it came; see market.source.",
    "revision": "1 when first stored, one more each time its values changed.",
    "load_id": "The load that wrote it.",
    "recorded_at": "When this revision was stored, UTC.",
}


def upgrade() -> None:
    _create_source()
    _create_candle()
    _create_filled_candle()
    _create_candle_lineage()


def downgrade() -> None:
    op.execute("DROP FUNCTION market.candle_lineage(text, integer, timestamptz)")
    op.execute("DROP FUNCTION market.filled_candle_1m(integer, timestamptz, timestamptz)")
    op.execute("DROP VIEW market.candle")
    op.execute("DROP TABLE market.source")


def _create_source() -> None:
    op.execute("""
        CREATE TABLE market.source (
            name text PRIMARY KEY CONSTRAINT source_name CHECK (name ~ '^[a-z][a-z0-9_]{0,62}$'),
            rank smallint NOT NULL CONSTRAINT source_rank CHECK (rank BETWEEN 0 AND 100),
            is_synthetic boolean NOT NULL DEFAULT false,
            title text NOT NULL
        )
    """)
    comment_table(
        "market.source",
        "The ways values come, and which of two that differ is believed.",
        {
            "name": "Name in the column source of every fact.",
            "rank": "Of two differing values for one key the one with the smaller rank is kept; "
            "between equals the later observation wins.",
            "is_synthetic": "Whether nobody ever traded these rows: default reads leave them out.",
            "title": "Meaning, for people.",
        },
    )
    rows = ", ".join(
        f"('{name}', {rank}, {str(made_up).lower()}, '{_escaped(title)}')"
        for name, rank, made_up, title in SOURCES
    )
    op.execute(f"INSERT INTO market.source (name, rank, is_synthetic, title) VALUES {rows}")  # noqa: S608


def _create_candle() -> None:
    parts = " UNION ALL ".join(
        f"""
            SELECT '{label}'::text AS timeframe, instrument_id, open_time, {VALUES},
                {
            CHILDREN
            if label != "1m"
            else "NULL::smallint AS children_present, NULL::smallint AS children_expected"
        },
                {PROVENANCE}
            FROM market.candle_{label}
            WHERE source NOT IN (SELECT name FROM market.source WHERE is_synthetic)
        """  # noqa: S608 - our own labels
        for label, _ in TIMEFRAMES
    )
    op.execute(f"CREATE VIEW market.candle AS {parts}")
    comment_table(
        "market.candle",
        "The candles of all timeframes that a venue stated or that were computed from such: the "
        "default read. Synthetic ones are left out.",
        MEANING,
        kind="VIEW",
    )


def _create_filled_candle() -> None:
    # The flat candle of a minute without trades repeats the close before it.
    op.execute(f"""
        CREATE FUNCTION market.filled_candle_1m(
            instrument integer, from_time timestamptz, to_time timestamptz
        )
        RETURNS TABLE (
            instrument_id integer, open_time timestamptz,
            open double precision, high double precision, low double precision,
            close double precision, volume double precision, quote_volume double precision,
            taker_buy_volume double precision, taker_buy_quote_volume double precision,
            trade_count bigint, source text, is_synthetic boolean
        )
        LANGUAGE sql STABLE PARALLEL SAFE
        BEGIN ATOMIC
            SELECT c.instrument_id, c.open_time, {", ".join(f"c.{name}" for name in _names())},
                c.source, s.is_synthetic
            FROM market.candle_1m AS c
            INNER JOIN market.source AS s ON s.name = c.source
            WHERE c.instrument_id = filled_candle_1m.instrument
                AND c.open_time >= filled_candle_1m.from_time
                AND c.open_time < filled_candle_1m.to_time
            UNION ALL
            SELECT g.instrument_id, m.minute, p.close, p.close, p.close, p.close,
                0, 0, 0, 0, 0, 'synthetic', true
            FROM ledger.gap AS g
            CROSS JOIN LATERAL (
                SELECT b.close FROM market.candle_1m AS b
                WHERE b.instrument_id = g.instrument_id AND b.open_time < g.span_start
                ORDER BY b.open_time DESC
                LIMIT 1
            ) AS p
            CROSS JOIN LATERAL generate_series(
                greatest(
                    g.span_start,
                    date_bin('1 minute', filled_candle_1m.from_time + interval '59.999999 seconds',
                             '1970-01-01 00:00:00+00')
                ),
                least(g.span_end, filled_candle_1m.to_time) - interval '1 microsecond',
                interval '1 minute'
            ) AS m (minute)
            WHERE g.dataset = 'candle_1m' AND g.instrument_id = filled_candle_1m.instrument
                AND g.closed_at IS NULL AND g.reason = 'no_trade'
                AND g.span_start < filled_candle_1m.to_time
                AND g.span_end > filled_candle_1m.from_time;
        END
    """)  # noqa: S608 - our own names
    comment(
        "FUNCTION",
        "market.filled_candle_1m(integer, timestamptz, timestamptz)",
        "The minutes of an instrument with open time in [from_time, to_time), and for every minute "
        "in which proof says nothing was traded a flat one, flagged is_synthetic: the close before "
        "it, volume 0. Absences for other reasons stay absent. In no order.",
    )


def _create_candle_lineage() -> None:
    length = " ".join(f"WHEN '{label}' THEN interval '{text}'" for label, text in TIMEFRAMES)
    current = " UNION ALL ".join(
        f"""
            SELECT '{label}' AS timeframe, c.instrument_id, c.open_time, c.revision,
                tstzrange(c.recorded_at, NULL) AS recorded_during, c.source, c.load_id
            FROM market.candle_{label} AS c
        """  # noqa: S608 - our own labels
        for label, _ in TIMEFRAMES
    )
    op.execute(f"""
        CREATE FUNCTION market.candle_lineage(
            timeframe text, instrument integer, open_time timestamptz
        )
        RETURNS TABLE (
            candle_timeframe text, candle_open_time timestamptz, revision integer,
            recorded_during tstzrange, source text, load_id bigint, run_id text,
            observed_at timestamptz, payload_sha256 text, landing_id bigint, path text
        )
        LANGUAGE sql STABLE PARALLEL SAFE
        BEGIN ATOMIC
            SELECT v.timeframe, v.open_time, v.revision, v.recorded_during, v.source, v.load_id,
                l.run_id, l.observed_at, l.payload_sha256, f.landing_id, f.path
            FROM (
                {current}
                UNION ALL
                SELECT r.timeframe, r.instrument_id, r.open_time, r.revision, r.recorded_during,
                    r.source, r.load_id
                FROM market.candle_revision AS r
            ) AS v
            INNER JOIN ledger.load AS l ON l.load_id = v.load_id
            LEFT JOIN ledger.landing AS f ON f.load_id = v.load_id
            WHERE v.instrument_id = candle_lineage.instrument
                AND v.timeframe IN ('1m', candle_lineage.timeframe)
                AND v.open_time >= candle_lineage.open_time
                AND v.open_time < candle_lineage.open_time + CASE v.timeframe
                    WHEN candle_lineage.timeframe THEN interval '1 microsecond'
                    ELSE CASE candle_lineage.timeframe {length} END
                END;
        END
    """)  # noqa: S608 - our own labels
    comment(
        "FUNCTION",
        "market.candle_lineage(text, integer, timestamptz)",
        "What a candle rests on: every revision of it, and of a coarse candle every revision of "
        "its minutes, each with the load that wrote it and the hash of the landed payload. Of a "
        "file landed again with other content only the newest landing has a path.",
    )


def _names() -> list[str]:
    return VALUES.split(", ")


def _escaped(text: str) -> str:
    return text.replace("'", "''")
