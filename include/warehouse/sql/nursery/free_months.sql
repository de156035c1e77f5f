-- Tells which months of a table have no partition, or one that never held a row; leans on the
-- catalog and candle_revision_withdrawn. Where candles were withdrawn, those in their place go on in
-- the count of revisions, which the careful way alone can do.
SELECT month
FROM unnest(%(months)s::timestamptz[]) AS month
LEFT JOIN pg_class AS stored
    ON
        stored.relnamespace = 'market'::regnamespace
        AND stored.relname = %(dataset)s || to_char(month AT TIME ZONE 'UTC', '_YYYY_MM')
WHERE
    (stored.oid IS NULL OR pg_relation_size(stored.oid) = 0)
    AND NOT EXISTS (
        SELECT FROM market.candle_revision AS replaced
        INNER JOIN market.timeframe ON replaced.timeframe = timeframe.label
        WHERE
            replaced.withdrawn_by IS NOT NULL
            AND timeframe.dataset = %(dataset)s
            AND replaced.open_time >= month
            AND replaced.open_time < date_add(month, interval '1 month', 'UTC')
    )
ORDER BY month
