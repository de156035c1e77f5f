-- Tells whether every month of some spans has its partition of a table; leans on
-- pg_class_relname_nsp_index.
SELECT coalesce(bool_and(
    to_regclass(%(table)s || to_char(month AT TIME ZONE 'UTC', '_YYYY_MM')) IS NOT NULL
), true)
FROM unnest(%(span_starts)s::timestamptz[], %(span_ends)s::timestamptz[])
    AS told (span_start, span_end)
CROSS JOIN LATERAL generate_series(
    date_trunc('month', span_start, 'UTC'), span_end - interval '1 microsecond',
    interval '1 month', 'UTC'
) AS month
