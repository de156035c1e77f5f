-- Lists changes in a venue's answers that nobody was told of, oldest first; reads the whole table,
-- which holds a row per field that ever changed.
SELECT
    endpoint,
    field,
    kind,
    first_seen_at
FROM ledger.schema_drift
WHERE venue = %(venue)s AND told_at IS NULL
ORDER BY first_seen_at, endpoint, field, kind
