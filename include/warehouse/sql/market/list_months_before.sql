-- Lists the months of a table that are over by an instant, the oldest first; leans on pg_inherits.
SELECT month.start::date
FROM pg_inherits
INNER JOIN pg_class AS child ON pg_inherits.inhrelid = child.oid
CROSS JOIN LATERAL (
    SELECT
        substring(bound FROM 'FROM \(''([^'']+)''\)')::timestamptz AT TIME ZONE 'UTC' AS start,
        substring(bound FROM 'TO \(''([^'']+)''\)')::timestamptz AS finish
    FROM pg_get_expr(child.relpartbound, child.oid) AS bound
) AS month
WHERE
    pg_inherits.inhparent = %(table)s::regclass
    AND month.finish <= %(before)s
ORDER BY 1
