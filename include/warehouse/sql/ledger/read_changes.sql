-- Lists the settled changes a stage has not done, and the bound of what is listed; one row with
-- nulls when there are none. Leans on change_by_xid and cursor_pkey.
WITH bounds AS MATERIALIZED (
    SELECT
        coalesce(
            (SELECT xid FROM ledger.cursor WHERE stage = %(stage)s), '0'::xid8
        ) AS done,
        pg_snapshot_xmin(pg_current_snapshot()) AS settled
),

last_within_limit AS MATERIALIZED (
    SELECT change.xid
    FROM ledger.change AS change
    WHERE
        %(limit)s::bigint IS NOT NULL
        AND change.dataset = %(dataset)s
        AND change.xid >= (SELECT done FROM bounds)
        AND change.xid < (SELECT settled FROM bounds)
    ORDER BY change.xid, change.change_id
    OFFSET %(limit)s::bigint - 1
    LIMIT 1
),

listed AS MATERIALIZED (
    SELECT
        bounds.done,
        coalesce(
            (SELECT (xid::text::bigint + 1)::text::xid8 FROM last_within_limit), bounds.settled
        ) AS upto
    FROM bounds
)

SELECT
    listed.upto::text::bigint,
    change.instrument_id,
    change.span_start,
    change.span_end,
    change.reason
FROM listed
LEFT JOIN ledger.change AS change
    ON
        change.dataset = %(dataset)s
        AND change.xid >= listed.done
        AND change.xid < listed.upto
ORDER BY change.xid, change.change_id
