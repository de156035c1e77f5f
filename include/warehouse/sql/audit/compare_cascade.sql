-- Rolls one month of finer candles up and holds the sums against the stored coarse ones; leans on
-- both primary keys, coverage_pkey and change_by_xid. Only buckets the cascade has done and nothing
-- has changed since are compared. Volumes may differ by what adding doubles one by one loses.
WITH child AS (
    -- The offset keeps the bucket from being computed anew wherever it is named.
    SELECT
        *,
        date_bin(%(length)s, open_time, '1970-01-01Z') AS bucket_time
    FROM {source}
    WHERE open_time >= %(from_time)s AND open_time < %(to_time)s
    OFFSET 0
),

bucket AS (
    SELECT
        instrument_id,
        bucket_time AS open_time,
        min(open_time) AS first_time,
        max(open_time) AS last_time,
        min(open) FILTER (WHERE open_time = bucket_time) AS open,
        max(high) AS high,
        min(low) AS low,
        min(close) FILTER (WHERE open_time = bucket_time + %(length)s - %(child)s) AS close,
        sum(volume) AS volume,
        CASE WHEN count(quote_volume) = count(*) THEN sum(quote_volume) END AS quote_volume,
        CASE WHEN count(taker_buy_volume) = count(*) THEN sum(taker_buy_volume) END
            AS taker_buy_volume,
        CASE WHEN count(taker_buy_quote_volume) = count(*) THEN sum(taker_buy_quote_volume) END
            AS taker_buy_quote_volume,
        CASE WHEN count(trade_count) = count(*) THEN sum(trade_count) END AS trade_count,
        count(*) AS children
    FROM child
    GROUP BY instrument_id, bucket_time
),

waiting AS (
    SELECT
        change.instrument_id,
        range_agg(
            tstzrange(
                date_bin(%(length)s, change.span_start, '1970-01-01Z'),
                date_bin(%(length)s, change.span_end, '1970-01-01Z') + %(length)s
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
        coverage.covered * tstzmultirange(tstzrange(%(from_time)s, %(to_time)s))
        - coalesce(waiting.spans, '{{}}') AS spans
    FROM ledger.coverage
    LEFT JOIN waiting USING (instrument_id)
    WHERE coverage.dataset = %(dataset)s
),

compared AS (
    SELECT
        coalesce(bucket.instrument_id, coarse.instrument_id) AS instrument_id,
        coalesce(bucket.open_time, coarse.open_time) AS open_time,
        CASE
            WHEN coarse.instrument_id IS NULL THEN 'absent, but its children are stored'
            WHEN bucket.instrument_id IS NULL THEN 'stored, but it has no children'
            ELSE nullif(
                concat_ws(
                    ', ',
                    CASE WHEN coarse.children_present <> bucket.children
                        OR coarse.children_expected <> %(expected)s THEN 'children' END,
                    CASE WHEN coarse.open <> coalesce(
                        bucket.open,
                        (
                            SELECT first.open FROM {source} AS first
                            WHERE
                                first.instrument_id = bucket.instrument_id
                                AND first.open_time = bucket.first_time
                        )
                    ) THEN 'open' END,
                    CASE WHEN coarse.high <> bucket.high THEN 'high' END,
                    CASE WHEN coarse.low <> bucket.low THEN 'low' END,
                    CASE WHEN coarse.close <> coalesce(
                        bucket.close,
                        (
                            SELECT last.close FROM {source} AS last
                            WHERE
                                last.instrument_id = bucket.instrument_id
                                AND last.open_time = bucket.last_time
                        )
                    ) THEN 'close' END,
                    CASE WHEN {volume_differs} THEN 'volume' END,
                    CASE WHEN {quote_volume_differs} THEN 'quote_volume' END,
                    CASE WHEN {taker_buy_volume_differs} THEN 'taker_buy_volume' END,
                    CASE WHEN {taker_buy_quote_volume_differs} THEN 'taker_buy_quote_volume' END,
                    CASE WHEN coarse.trade_count IS DISTINCT FROM bucket.trade_count
                        THEN 'trade_count' END
                ),
                ''
            ) || ' differs from its children'
        END AS detail
    FROM bucket
    FULL JOIN (
        SELECT * FROM {target} WHERE open_time >= %(from_time)s AND open_time < %(to_time)s
    ) AS coarse
        ON bucket.instrument_id = coarse.instrument_id AND bucket.open_time = coarse.open_time
)

SELECT
    compared.instrument_id,
    compared.open_time,
    compared.open_time + %(length)s,
    compared.detail
FROM compared
INNER JOIN settled ON compared.instrument_id = settled.instrument_id
WHERE compared.detail IS NOT NULL AND settled.spans @> compared.open_time
ORDER BY 1, 2
LIMIT %(limit)s
