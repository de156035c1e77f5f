-- Tells which months of a table have no partition, or one that never held a row; leans on the
-- catalog.
SELECT month
FROM unnest(%(months)s::timestamptz[]) AS month
LEFT JOIN pg_class AS stored
    ON
        stored.relnamespace = 'market'::regnamespace
        AND stored.relname = %(dataset)s || to_char(month AT TIME ZONE 'UTC', '_YYYY_MM')
WHERE stored.oid IS NULL OR pg_relation_size(stored.oid) = 0
ORDER BY month
