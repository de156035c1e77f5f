"""Candles of four timeframes by month, their replaced revisions, and reads as of an instant."""

from __future__ import annotations

from alembic import op

from include.warehouse.migrations.comments import comment, comment_table

revision = "0004"
down_revision = "0003"

# Label, bucket length, length of the children; 1m candles come from the venue and have none.
TIMEFRAMES = (
    ("1m", "1 minute", None),
    ("5m", "5 minutes", "1 minute"),
    ("30m", "30 minutes", "5 minutes"),
    ("4h", "4 hours", "30 minutes"),
)
PRICES = ("open", "high", "low", "close")
VOLUMES = ("volume", "quote_volume", "taker_buy_volume", "taker_buy_quote_volume")
PRICE_RANGE = "BETWEEN float8 '1e-12' AND float8 '1e12'"
VOLUME_RANGE = "BETWEEN float8 '0' AND float8 '1e18'"
VALUES = (*PRICES, *VOLUMES, "trade_count")
CHILDREN = ("children_present", "children_expected")
MEANING = {
    "instrument_id": "Whose candle.",
    "open_time": "First instant of the bucket, UTC; the candle spans one timeframe from here.",
    "open": "First price, in quote units.",
    "high": "Highest price, in quote units.",
    "low": "Lowest price, in quote units.",
    "close": "Last price, in quote units.",
    "volume": "Quantity traded, in base units.",
    "quote_volume": "Quantity traded, in quote units.",
    "taker_buy_volume": "Quantity bought by takers, in base units.",
    "taker_buy_quote_volume": "Quantity bought by takers, in quote units.",
    "trade_count": "Number of trades.",
    "source": "Way it came: rest, archive, stream, cascade.",
    "revision": "1 when first stored, one more each time its values changed.",
    "load_id": "The load that wrote it.",
}
MEANING_OF_CHILDREN = {
    "children_present": "Finer candles it was built from.",
    "children_expected": "Finer candles a full bucket has.",
}


def upgrade() -> None:
    _create_ensure_partitions()
    for label, length, child in TIMEFRAMES:
        _create_candle(label, length, coarse=child is not None)
    _create_candle_revision()
    _create_candle_as_of()
    _create_incomplete_candle()


def downgrade() -> None:
    op.execute("DROP VIEW market.incomplete_candle")
    op.execute("DROP FUNCTION market.explained_children(integer, tstzrange, interval)")
    op.execute("DROP FUNCTION market.candle_as_of(text, timestamptz)")
    op.execute("DROP TABLE market.candle_revision")
    for label, _, _ in TIMEFRAMES:
        op.execute(f"DROP TABLE market.candle_{label}")
    op.execute("DROP FUNCTION market.ensure_partitions(regclass, timestamptz, timestamptz)")


def _create_ensure_partitions() -> None:
    # CREATE TABLE … PARTITION OF would lock out every reader of the parent; a table made apart and
    # then attached does not. Two sessions that need a month meet at one advisory lock for all
    # tables: with a lock per table they could wait for each other's foreign keys in a circle.
    op.execute("""
        CREATE FUNCTION market.ensure_partitions(
            parent regclass, from_time timestamptz, to_time timestamptz
        ) RETURNS integer
        LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            family oid;
            prefix text;
            month timestamptz;
            created integer := 0;
        BEGIN
            IF NOT coalesce(to_time - from_time BETWEEN interval '0' AND interval '1200 months',
                            false) THEN
                RAISE EXCEPTION 'partitions of %: expected a span of at most 100 years, was [%, %)',
                    parent, from_time, to_time USING ERRCODE = 'invalid_parameter_value';
            END IF;
            SELECT relnamespace, relname INTO STRICT family, prefix
            FROM pg_class WHERE oid = parent AND relkind = 'p';
            FOR month IN
                SELECT m FROM generate_series(
                    date_trunc('month', from_time, 'UTC'), to_time, interval '1 month', 'UTC'
                ) AS m WHERE m < to_time
            LOOP
                DECLARE
                    child text := prefix || to_char(month AT TIME ZONE 'UTC', '_YYYY_MM');
                    name text := format('%I.%I', family::regnamespace::text, child);
                    next_month timestamptz := date_add(month, interval '1 month', 'UTC');
                BEGIN
                    CONTINUE WHEN EXISTS (
                        SELECT FROM pg_class WHERE relnamespace = family AND relname = child);
                    PERFORM pg_advisory_xact_lock(hashtextextended('candlewick partitions', 0));
                    -- A query, not to_regclass: that would answer from what this session knew
                    -- before it waited.
                    CONTINUE WHEN EXISTS (
                        SELECT FROM pg_class WHERE relnamespace = family AND relname = child);
                    EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING DEFAULTS INCLUDING '
                        'CONSTRAINTS INCLUDING INDEXES INCLUDING COMMENTS)', name, parent);
                    EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s '
                        'FOR VALUES FROM (%L) TO (%L)', parent, name, month, next_month);
                    created := created + 1;
                END;
            END LOOP;
            RETURN created;
        END
        $$
    """)
    comment(
        "FUNCTION",
        "market.ensure_partitions(regclass, timestamptz, timestamptz)",
        "Creates the absent monthly partitions that hold the instants [from_time, to_time) and "
        "returns how many; safe to call from many sessions at once.",
    )


def _create_candle(label: str, length: str, *, coarse: bool) -> None:
    children = """
            children_present smallint NOT NULL,
            children_expected smallint NOT NULL,
            CONSTRAINT candle_children CHECK (
                children_present BETWEEN 1 AND children_expected AND children_expected <= 1440
            ),
    """
    op.execute(f"""
        CREATE TABLE market.candle_{label} (
            instrument_id integer NOT NULL REFERENCES market.instrument,
            open_time timestamptz NOT NULL,
            {", ".join(f"{column} double precision NOT NULL" for column in PRICES + VOLUMES)},
            trade_count bigint NOT NULL,
            {children if coarse else ""}
            source text NOT NULL,
            revision integer NOT NULL DEFAULT 1,
            load_id bigint NOT NULL REFERENCES ledger.load,
            recorded_at timestamptz NOT NULL,
            PRIMARY KEY (instrument_id, open_time),
            CONSTRAINT candle_on_grid CHECK (
                open_time = date_bin('{length}', open_time, '1970-01-01 00:00:00+00')
            ),
            CONSTRAINT candle_in_our_time CHECK (
                open_time >= '2000-01-01 00:00:00+00' AND open_time < '2100-01-01 00:00:00+00'
            ),
            CONSTRAINT candle_price_range CHECK (
                {" AND ".join(f"{price} {PRICE_RANGE}" for price in PRICES)}
            ),
            CONSTRAINT candle_low_is_lowest CHECK (low <= least(open, close)),
            CONSTRAINT candle_high_is_highest CHECK (high >= greatest(open, close)),
            CONSTRAINT candle_volume_range CHECK (
                {" AND ".join(f"{volume} {VOLUME_RANGE}" for volume in VOLUMES)}
            ),
            CONSTRAINT candle_trade_count CHECK (trade_count BETWEEN 0 AND 1000000000000),
            CONSTRAINT candle_revision_counts CHECK (revision >= 1)
        ) PARTITION BY RANGE (open_time)
    """)
    children_meaning = MEANING_OF_CHILDREN if coarse else {}
    comment_table(
        f"market.candle_{label}",
        f"Final candles of {length}, the newest revision of each; by month of open_time. "
        "NaN and infinities cannot be stored: no range constraint holds for them.",
        MEANING | children_meaning | {"recorded_at": "When this revision was stored, UTC."},
    )


def _create_candle_revision() -> None:
    op.execute(f"""
        CREATE TABLE market.candle_revision (
            timeframe text NOT NULL
                CONSTRAINT revision_timeframe CHECK (timeframe IN ('1m', '5m', '30m', '4h')),
            instrument_id integer NOT NULL REFERENCES market.instrument,
            open_time timestamptz NOT NULL,
            revision integer NOT NULL CONSTRAINT revision_counts CHECK (revision >= 1),
            {", ".join(f"{column} double precision NOT NULL" for column in PRICES + VOLUMES)},
            trade_count bigint NOT NULL,
            children_present smallint,
            children_expected smallint,
            source text NOT NULL,
            load_id bigint NOT NULL REFERENCES ledger.load,
            recorded_during tstzrange NOT NULL
                CONSTRAINT revision_recorded_during CHECK (
                    NOT isempty(recorded_during) AND NOT upper_inf(recorded_during)
                ),
            PRIMARY KEY (timeframe, instrument_id, open_time, revision)
        )
    """)
    comment_table(
        "market.candle_revision",
        "Every candle that was replaced, as it was.",
        {"timeframe": "Candle table it stood in: 1m, 5m, 30m, 4h."}
        | MEANING
        | {"revision": "Its number; the row that replaced it has the next one."}
        | {column: f"{text} Null for 1m." for column, text in MEANING_OF_CHILDREN.items()}
        | {"recorded_during": "While it was the stored value, half-open, UTC."},
    )


def _create_candle_as_of() -> None:
    values = ", ".join(VALUES)
    current = " UNION ALL ".join(
        f"""
            SELECT '{label}', instrument_id, open_time, {values},
                {", ".join(CHILDREN) if child else "NULL::smallint, NULL::smallint"},
                source, revision, load_id, recorded_at
            FROM market.candle_{label}
            WHERE candle_as_of.timeframe = '{label}' AND recorded_at <= candle_as_of.at
        """  # noqa: S608 - our own labels
        for label, _, child in TIMEFRAMES
    )
    # Kept free of SET and STRICT so that the planner folds it into the query around it and a
    # condition on instrument_id and open_time reaches the primary keys.
    op.execute(f"""
        CREATE FUNCTION market.candle_as_of(timeframe text, at timestamptz)
        RETURNS TABLE (
            candle_timeframe text, instrument_id integer, open_time timestamptz,
            {", ".join(f"{column} double precision" for column in PRICES + VOLUMES)},
            trade_count bigint, children_present smallint, children_expected smallint,
            source text, revision integer, load_id bigint, recorded_at timestamptz
        )
        LANGUAGE sql STABLE PARALLEL SAFE
        BEGIN ATOMIC
            {current}
            UNION ALL
            SELECT r.timeframe, r.instrument_id, r.open_time,
                {", ".join(f"r.{column}" for column in VALUES)},
                r.children_present, r.children_expected,
                r.source, r.revision, r.load_id, lower(r.recorded_during)
            FROM market.candle_revision AS r
            WHERE r.timeframe = candle_as_of.timeframe AND r.recorded_during @> candle_as_of.at;
        END
    """)  # noqa: S608 - our own labels
    comment(
        "FUNCTION",
        "market.candle_as_of(text, timestamptz)",
        "The candles of a timeframe as they stood at an instant: the revision stored then, not "
        "the newest. A load counts from the instant it held its locks, moments before its commit.",
    )


def _create_incomplete_candle() -> None:
    op.execute("""
        CREATE FUNCTION market.explained_children(
            instrument integer, bucket tstzrange, child interval
        ) RETURNS integer
        LANGUAGE sql STABLE PARALLEL SAFE
        BEGIN ATOMIC
            SELECT coalesce(sum(greatest(0,
                floor(extract(epoch FROM upper(piece)) / extract(epoch FROM child))
                - ceil(extract(epoch FROM lower(piece)) / extract(epoch FROM child))
            )), 0)::integer
            FROM (
                SELECT unnest(range_agg(tstzrange(g.span_start, g.span_end) * bucket)) AS piece
                FROM ledger.gap AS g
                WHERE g.dataset = 'candle_1m' AND g.instrument_id = explained_children.instrument
                    AND g.closed_at IS NULL AND ledger.is_explained(g.reason)
                    AND tstzrange(g.span_start, g.span_end) && bucket
            ) AS pieces;
        END
    """)
    comment(
        "FUNCTION",
        "market.explained_children(integer, tstzrange, interval)",
        "How many whole children of the given length are absent from a bucket for a reason the "
        "ledger explains, judged by the open gaps of candle_1m.",
    )
    parts = " UNION ALL ".join(
        f"""
            SELECT '{label}'::text AS timeframe, c.instrument_id, c.open_time, c.children_present,
                c.children_expected, e.children_explained, p.proven
            FROM market.candle_{label} AS c
            CROSS JOIN LATERAL (
                SELECT tstzrange(c.open_time, c.open_time + interval '{length}') AS bucket
            ) AS b
            CROSS JOIN LATERAL (
                SELECT market.explained_children(c.instrument_id, b.bucket, interval '{child}')
                    AS children_explained
            ) AS e
            CROSS JOIN LATERAL (
                SELECT EXISTS (
                    SELECT FROM ledger.coverage AS v
                    WHERE v.dataset = 'candle_1m' AND v.instrument_id = c.instrument_id
                        AND v.covered @> b.bucket
                ) AS proven
            ) AS p
            WHERE NOT p.proven OR c.children_present + e.children_explained < c.children_expected
        """  # noqa: S608 - our own labels
        for label, length, child in TIMEFRAMES
        if child
    )
    op.execute(f"CREATE VIEW market.incomplete_candle AS {parts}")
    comment_table(
        "market.incomplete_candle",
        "Coarse candles that lack minutes nobody has explained, or that the cascade has not yet "
        "built from all the minutes there are.",
        {
            "timeframe": "Candle table: 5m, 30m, 4h.",
            "instrument_id": "Whose candle.",
            "open_time": "First instant of the bucket, UTC.",
            **MEANING_OF_CHILDREN,
            "children_explained": "Absent finer candles the ledger explains.",
            "proven": "Whether candle_1m covers the whole bucket with rows or explanations.",
        },
        kind="VIEW",
    )
