-- Adds up the children of the coarse candles of some instruments in a window, where every change
-- of them has been worked in; leans on the table's primary key, coverage_pkey and change_by_xid.
WITH waiting AS (
    SELECT
        change.instrument_id,
        range_agg(
            tstzrange(
                market.bucket_start(%(length)s::interval, change.span_start),
                market.bucket_end(
                    %(length)s::interval,
                    market.bucket_start(%(length)s::interval, change.span_end)
                )
            )
        ) AS spans
    FROM ledger.change
    WHERE
        change.dataset = %(source_dataset)s
        AND change.xid >= coalesce(
            (SELECT cursor.xid FROM ledger.cursor WHERE cursor.stage = %(stage)s), '0'::xid8
        )
    GROUP BY change.instrument_id
),

settled AS (
    SELECT
        coverage.instrument_id,
        coverage.covered - coalesce(waiting.spans, '{{}}') AS spans
    FROM ledger.coverage
    LEFT JOIN waiting ON coverage.instrument_id = waiting.instrument_id
    WHERE
        coverage.dataset = %(dataset)s
        AND coverage.instrument_id = ANY(%(instrument_ids)s)
),

child AS (
    SELECT
        stored.*,
        market.bucket_start(%(length)s::interval, stored.open_time) AS bucket_time
    FROM {source} AS stored
    WHERE
        stored.instrument_id = ANY(%(instrument_ids)s)
        AND stored.open_time >= %(from_time)s
        AND stored.open_time < %(to_time)s
    -- Keeps the bucket from being computed anew wherever it is named.
    OFFSET 0
),

bucket AS (
    SELECT
        instrument_id,
        bucket_time AS open_time,
        (array_agg(open ORDER BY open_time))[1] AS open,
        max(high) AS high,
        min(low) AS low,
        (array_agg(close ORDER BY open_time DESC))[1] AS close,
        sum(volume) AS volume,
        CASE WHEN count(quote_volume) = count(*) THEN sum(quote_volume) END AS quote_volume,
        CASE WHEN count(taker_buy_volume) = count(*) THEN sum(taker_buy_volume) END
            AS taker_buy_volume,
        CASE WHEN count(taker_buy_quote_volume) = count(*) THEN sum(taker_buy_quote_volume) END
            AS taker_buy_quote_volume,
        CASE WHEN count(trade_count) = count(*) THEN sum(trade_count)::bigint END AS trade_count,
        count(*) AS children_present
    FROM child
    GROUP BY instrument_id, bucket_time
)

SELECT
    coarse.instrument_id,
    coarse.open_time,
    coarse.children_present,
    coarse.children_expected,
    bucket.open,
    bucket.high,
    bucket.low,
    bucket.close,
    bucket.volume,
    bucket.quote_volume,
    bucket.taker_buy_volume,
    bucket.taker_buy_quote_volume,
    bucket.trade_count,
    CASE WHEN settled.instrument_id IS NOT NULL THEN coalesce(bucket.children_present, 0) END
FROM {table} AS coarse
LEFT JOIN settled
    ON coarse.instrument_id = settled.instrument_id AND settled.spans @> coarse.open_time
LEFT JOIN bucket
    ON
        settled.instrument_id = bucket.instrument_id
        AND coarse.open_time = bucket.open_time
WHERE
    coarse.instrument_id = ANY(%(instrument_ids)s)
    AND coarse.open_time >= %(from_time)s
    AND coarse.open_time < %(to_time)s
ORDER BY coarse.instrument_id, coarse.open_time
