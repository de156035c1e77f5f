"""The reads of migration 0022. Never edited: a later migration replaces what it must."""

from __future__ import annotations

from alembic import op

from include.warehouse.migrations.comments import comment, comment_table

FORMING = "market.forming_candle(text, timestamptz)"
DIFFERENCE = "market.cascade_difference(text, timestamptz, timestamptz)"
PRICES = ("open", "high", "low", "close")
VOLUMES = ("volume", "quote_volume", "taker_buy_volume", "taker_buy_quote_volume")
FLOATS = (*PRICES, *VOLUMES)
SUMS = (*VOLUMES, "trade_count")


def create_forming_candle() -> None:
    """Create the function and the view that show candles whose bucket is not over."""
    sums = ", ".join(
        f"CASE WHEN count(c.{name}) = count(*) THEN sum(c.{name} ORDER BY c.open_time) END "
        f"AS {name}"
        for name in SUMS
    )
    listed = ", ".join(f"m.{name}" for name in FLOATS)
    op.execute(f"""
        CREATE FUNCTION market.forming_candle(timeframe text, at timestamptz)
        RETURNS TABLE (
            candle_timeframe text, instrument_id integer, open_time timestamptz,
            close_time timestamptz, {", ".join(f"{name} double precision" for name in FLOATS)},
            trade_count bigint, flags smallint, children_present integer, children_expected integer
        )
        LANGUAGE sql STABLE PARALLEL SAFE
        BEGIN ATOMIC
            SELECT t.label, i.instrument_id, b.opens, b.closes, {listed}, m.trade_count::bigint,
                (m.flags | CASE WHEN m.present < b.elapsed THEN 8 ELSE 0 END)::smallint,
                m.present, b.elapsed
            FROM market.timeframe AS t
            CROSS JOIN LATERAL (
                SELECT opens, market.bucket_end(t.length, opens) AS closes,
                    floor(extract(epoch FROM forming_candle.at - opens) / 60)::integer AS elapsed
                FROM market.bucket_start(t.length, forming_candle.at) AS opens
            ) AS b
            CROSS JOIN market.instrument AS i
            CROSS JOIN LATERAL (
                SELECT count(*)::integer AS present,
                    (array_agg(c.open ORDER BY c.open_time))[1] AS open, max(c.high) AS high,
                    min(c.low) AS low, (array_agg(c.close ORDER BY c.open_time DESC))[1] AS close,
                    {sums}, bit_or(c.flags) AS flags
                FROM market.candle_1m AS c
                WHERE c.instrument_id = i.instrument_id AND c.open_time >= b.opens
                    AND c.open_time <= forming_candle.at - interval '1 minute'
            ) AS m
            WHERE t.label = forming_candle.timeframe AND m.present > 0;
        END
    """)  # noqa: S608 - our own names
    comment(
        "FUNCTION",
        FORMING,
        "The candle of each instrument whose bucket holds the instant, from the stored minutes "
        "that had closed by then: provisional, and stored nowhere. children_expected are the "
        "minutes gone by. Sums are added in order of time, so they may differ from the final ones "
        "in the last digit.",
    )
    op.execute("""
        CREATE VIEW market.provisional_candle AS
        SELECT f.candle_timeframe AS timeframe, f.instrument_id, f.open_time, f.close_time,
            f.open, f.high, f.low, f.close, f.volume, f.quote_volume, f.taker_buy_volume,
            f.taker_buy_quote_volume, f.trade_count, f.flags, f.children_present,
            f.children_expected
        FROM market.timeframe AS t
        CROSS JOIN LATERAL market.forming_candle(t.label, now()) AS f
        WHERE t.is_configured AND t.source IS NOT NULL
    """)
    comment_table(
        "market.provisional_candle",
        "The coarse candles that are still forming, from the minutes stored so far; final ones are "
        "in market.candle.",
        {
            "timeframe": "Its timeframe, e.g. 5m.",
            "instrument_id": "Whose candle.",
            "open_time": "First instant of the bucket, UTC.",
            "close_time": "First instant after it, UTC.",
            "open": "First price, in quote units.",
            "high": "Highest price so far, in quote units.",
            "low": "Lowest price so far, in quote units.",
            "close": "Newest price, in quote units.",
            "volume": "Quantity traded so far, in base units.",
            "quote_volume": "Quantity traded so far, in quote units; null where not stated.",
            "taker_buy_volume": "Of it bought by takers, in base units; null where not stated.",
            "taker_buy_quote_volume": "Of it bought by takers, in quote units; null where not "
            "stated.",
            "trade_count": "Number of trades so far; null where not stated.",
            "flags": "Flags of its minutes, and 8 where minutes gone by are absent.",
            "children_present": "Minutes it was built from.",
            "children_expected": "Minutes gone by since it opened.",
        },
        kind="VIEW",
    )


def create_cascade_difference() -> None:
    """Create the function that holds coarse candles against their finer ones."""
    # Volumes are added here one by one and by the cascade exactly, so they may differ by what
    # adding n doubles of one sign loses: at most n times 2^-53 of the sum (Higham, "Accuracy and
    # Stability of Numerical Algorithms", 2002, section 4.2); everything else is equal.
    bucket_sums = ", ".join(
        f"CASE WHEN count({name}) = count(*) THEN sum({name}) END AS {name}" for name in SUMS
    )
    differ = " ".join(
        f"""
            CASE WHEN (coarse.{name} IS NULL) <> (bucket.{name} IS NULL)
                OR abs(coarse.{name} - bucket.{name})
                    > bucket.children * float8 '1.2e-16' * bucket.{name}
            THEN '{name}' END,
        """
        for name in SUMS[:-1]
    )
    op.execute(f"""
        CREATE FUNCTION market.cascade_difference(
            timeframe text, from_time timestamptz, to_time timestamptz
        )
        RETURNS TABLE (
            instrument_id integer, open_time timestamptz, close_time timestamptz, detail text
        )
        LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            target market.timeframe;
            source market.timeframe;
        BEGIN
            SELECT * INTO target FROM market.timeframe AS t
            WHERE t.label = cascade_difference.timeframe;
            SELECT * INTO source FROM market.timeframe AS t WHERE t.label = target.source;
            IF (source.label IS NOT NULL AND from_time < to_time) IS NOT TRUE THEN
                RAISE EXCEPTION 'cascade_difference: expected a timeframe that is built from a '
                    'finer one and a span, was % [%, %)', timeframe, from_time, to_time
                    USING ERRCODE = 'invalid_parameter_value';
            END IF;
            RETURN QUERY EXECUTE format($query$
                {_difference_query(bucket_sums, differ)}
            $query$, source.dataset, target.dataset, target.length, source.length,
                'cascade_' || substr(target.dataset, length('candle_') + 1))
            USING
                market.bucket_start(target.length, from_time
                    + CASE WHEN market.bucket_start(target.length, from_time) < from_time
                        THEN target.length ELSE interval '0' END),
                market.bucket_end(target.length,
                    market.bucket_start(target.length, to_time - interval '1 microsecond'));
        END
        $$
    """)  # noqa: S608 - our own names
    comment(
        "FUNCTION",
        DIFFERENCE,
        "Every candle of a timeframe that opens in [from_time, to_time) and is not what its finer "
        "candles add up to: first open, highest high, lowest low, last close, sums, number of "
        "children, flags, and whether there is one at all. Left out are buckets that are not "
        "proven, that the cascade has yet to do, or whose finer candles were retired. Volumes may "
        "differ by what adding doubles one by one loses.",
    )


def _difference_query(bucket_sums: str, differ: str) -> str:
    """Return the comparison; %1$I is the source, %2$I the target, %3$L and %4$L their lengths."""
    return f"""
        WITH child AS (
            -- The offset keeps the bucket from being computed anew wherever it is named.
            SELECT *, market.bucket_start(%3$L, open_time) AS bucket_time
            FROM market.%1$I
            WHERE open_time >= $1 AND open_time < $2
            OFFSET 0
        ),
        bucket AS (
            SELECT instrument_id, bucket_time AS open_time, min(open_time) AS first_time,
                max(open_time) AS last_time, max(high) AS high, min(low) AS low,
                min(open) FILTER (WHERE open_time = bucket_time) AS open,
                min(close) FILTER (
                    WHERE open_time = market.bucket_end(%3$L, bucket_time) - interval %4$L
                ) AS close,
                {bucket_sums}, bit_or(flags) AS flags, count(*) AS children,
                (extract(epoch FROM market.bucket_end(%3$L, bucket_time) - bucket_time)
                    / extract(epoch FROM interval %4$L))::integer AS expected
            FROM child
            GROUP BY instrument_id, bucket_time
        ),
        waiting AS (
            SELECT instrument_id, range_agg(
                tstzrange(
                    market.bucket_start(%3$L, span_start),
                    market.bucket_end(%3$L, market.bucket_start(%3$L, span_end))
                )
            ) AS spans
            FROM ledger.waiting_changes(%5$L, %1$L)
            GROUP BY instrument_id
        ),
        retired AS (
            SELECT coalesce(range_agg(
                tstzrange(
                    market.bucket_start(%3$L, month::timestamp AT TIME ZONE 'UTC'),
                    market.bucket_end(%3$L, market.bucket_start(%3$L,
                        (month + interval '1 month') AT TIME ZONE 'UTC' - interval '1 us'))
                )
            ), '{{}}') AS spans
            FROM ledger.retired_month
            WHERE dataset = %1$L
        ),
        settled AS (
            SELECT covered.instrument_id,
                covered.covered * tstzmultirange(tstzrange($1, $2))
                - coalesce(waiting.spans, '{{}}') - retired.spans AS spans
            FROM ledger.coverage AS covered
            LEFT JOIN waiting USING (instrument_id)
            CROSS JOIN retired
            WHERE covered.dataset = %2$L
        ),
        compared AS (
            SELECT coalesce(bucket.instrument_id, coarse.instrument_id) AS instrument_id,
                coalesce(bucket.open_time, coarse.open_time) AS open_time,
                CASE
                    WHEN coarse.instrument_id IS NULL THEN 'absent, but its children are stored'
                    WHEN bucket.instrument_id IS NULL THEN 'stored, but it has no children'
                    ELSE nullif(concat_ws(', ',
                        CASE WHEN coarse.children_present <> bucket.children
                            OR coarse.children_expected <> bucket.expected THEN 'children' END,
                        CASE WHEN coarse.open <> coalesce(bucket.open, (
                            SELECT first.open FROM market.%1$I AS first
                            WHERE first.instrument_id = bucket.instrument_id
                                AND first.open_time = bucket.first_time
                        )) THEN 'open' END,
                        CASE WHEN coarse.high <> bucket.high THEN 'high' END,
                        CASE WHEN coarse.low <> bucket.low THEN 'low' END,
                        CASE WHEN coarse.close <> coalesce(bucket.close, (
                            SELECT last.close FROM market.%1$I AS last
                            WHERE last.instrument_id = bucket.instrument_id
                                AND last.open_time = bucket.last_time
                        )) THEN 'close' END,
                        {differ}
                        CASE WHEN coarse.trade_count IS DISTINCT FROM bucket.trade_count
                            THEN 'trade_count' END,
                        CASE WHEN coarse.flags <> bucket.flags
                            | CASE WHEN bucket.children < bucket.expected THEN 8 ELSE 0 END
                            THEN 'flags' END
                    ), '') || ' differs from its children'
                END AS detail
            FROM bucket
            FULL JOIN (
                SELECT * FROM market.%2$I WHERE open_time >= $1 AND open_time < $2
            ) AS coarse
                ON bucket.instrument_id = coarse.instrument_id
                AND bucket.open_time = coarse.open_time
        )
        SELECT compared.instrument_id, compared.open_time,
            market.bucket_end(%3$L, compared.open_time), compared.detail
        FROM compared
        JOIN settled USING (instrument_id)
        WHERE compared.detail IS NOT NULL AND settled.spans @> compared.open_time
    """  # noqa: S608 - our own names
