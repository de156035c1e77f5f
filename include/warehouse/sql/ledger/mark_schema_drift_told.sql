-- Notes that somebody was told of changed answers; leans on schema_drift_pkey.
UPDATE ledger.schema_drift SET told_at = %(at)s
WHERE
    venue = %(venue)s
    AND (endpoint, field, kind) IN (
        SELECT
            told.endpoint,
            told.field,
            told.kind
        FROM
            unnest(%(endpoints)s::text [], %(fields)s::text [], %(kinds)s::text [])
                AS told (endpoint, field, kind)
    )
    AND told_at IS NULL
