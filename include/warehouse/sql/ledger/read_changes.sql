-- Lists the settled changes a stage has not done, and with them those of the reader's own transaction
-- where it says so, and the bound of what is listed; one row with nulls when there are none. Leans on
-- change_by_xid and cursor_pkey.
WITH bounds AS MATERIALIZED (
    SELECT
        coalesce(place.xid, '0'::xid8) AS done,
        coalesce(place.ahead, '{}') AS ahead,
        coalesce(place.ahead_upto, '{}') AS ahead_upto,
        pg_snapshot_xmin(pg_current_snapshot()) AS settled,
        CASE WHEN %(own)s THEN pg_current_xact_id_if_assigned() END AS own
    FROM (VALUES (%(stage)s)) AS asked (stage)
    LEFT JOIN ledger.cursor AS place USING (stage)
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
        bounds.*,
        coalesce(
            (SELECT (xid::text::bigint + 1)::text::xid8 FROM last_within_limit), bounds.settled
        ) AS upto
    FROM bounds
)

SELECT
    listed.upto::text::bigint,
    listed.done::text::bigint,
    change.xid IS NOT DISTINCT FROM listed.own,
    change.instrument_id,
    change.span_start,
    change.span_end,
    change.reason
FROM listed
LEFT JOIN ledger.change AS change
    ON
        change.dataset = %(dataset)s
        AND change.xid >= listed.done
        AND (change.xid < listed.upto OR change.xid = listed.own)
        AND NOT EXISTS (
            SELECT FROM unnest(listed.ahead, listed.ahead_upto) AS finished (xid, upto)
            WHERE change.xid = finished.xid AND change.change_id <= finished.upto
        )
ORDER BY change.xid, change.change_id
