-- Moves a stage's cursor forward, never back, and notes the mover's own transaction as done where it
-- says so; leans on cursor_pkey and change_by_xid.
INSERT INTO ledger.cursor AS place (stage, xid, ahead, ahead_upto)
SELECT
    %(stage)s,
    %(upto_xid)s::text::xid8,
    coalesce(array_agg(own.xid) FILTER (WHERE own.upto IS NOT NULL), '{}'),
    coalesce(array_agg(own.upto) FILTER (WHERE own.upto IS NOT NULL), '{}')
FROM (
    SELECT
        pg_current_xact_id_if_assigned() AS xid,
        max(change.change_id) AS upto
    FROM ledger.change AS change
    WHERE
        change.dataset = %(ahead_of)s
        AND change.xid = pg_current_xact_id_if_assigned()
) AS own
ON CONFLICT (stage) DO UPDATE SET
    xid = EXCLUDED.xid,
    moved_at = now(),
    (ahead, ahead_upto) = (
        SELECT
            coalesce(array_agg(finished.xid), '{}'),
            coalesce(array_agg(finished.upto), '{}')
        FROM unnest(
            place.ahead || EXCLUDED.ahead, place.ahead_upto || EXCLUDED.ahead_upto
        ) AS finished (xid, upto)
        WHERE finished.xid >= EXCLUDED.xid
    )
WHERE place.xid <= EXCLUDED.xid
RETURNING xid::text
