-- Finds partitions that are no calendar month, or not the one they are called after; leans on
-- pg_inherits.
SELECT
    NULL::integer,
    lower(month.span),
    upper(month.span),
    format('%%s holds %%s', named.child, named.bound)
FROM (
    SELECT
        child.relname::text AS child,
        parent.relname::text AS parent,
        pg_get_expr(child.relpartbound, child.oid) AS bound
    FROM pg_inherits
    INNER JOIN pg_class AS child ON pg_inherits.inhrelid = child.oid
    INNER JOIN pg_class AS parent ON pg_inherits.inhparent = parent.oid
    WHERE parent.relkind = 'p' AND parent.relnamespace::regnamespace::text = ANY(%(schemas)s)
) AS named
CROSS JOIN LATERAL (
    SELECT tstzrange(
        substring(named.bound FROM 'FROM \(''([^'']+)''\)')::timestamptz,
        substring(named.bound FROM 'TO \(''([^'']+)''\)')::timestamptz
    ) AS span
) AS month
WHERE
    (
        month.span = tstzrange(
            date_trunc('month', lower(month.span), 'UTC'),
            date_add(date_trunc('month', lower(month.span), 'UTC'), interval '1 month', 'UTC')
        )
        AND named.child = named.parent || to_char(lower(month.span) AT TIME ZONE 'UTC', '_YYYY_MM')
    ) IS NOT TRUE
ORDER BY 4
LIMIT %(limit)s
