-- Stages the rows one load parked, as they came; leans on quarantine_waiting.
WITH parked AS (
    SELECT
        row_number() OVER (ORDER BY quarantine_id) AS position,
        payload || jsonb_strip_nulls(jsonb_build_object('venue', venue, 'symbol', symbol)) AS row
    FROM ledger.quarantine
    WHERE
        state = 'waiting'
        AND dataset = %(dataset)s
        AND venue IS NOT DISTINCT FROM %(venue)s::text
        AND symbol IS NOT DISTINCT FROM %(symbol)s::text
        AND load_id = %(load_id)s
)

INSERT INTO pg_temp.staged_rows
SELECT arrived.*
FROM parked
CROSS JOIN LATERAL jsonb_populate_record(
    NULL::pg_temp.staged_rows, parked.row || jsonb_build_object('position', parked.position)
) AS arrived
