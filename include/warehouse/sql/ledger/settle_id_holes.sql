-- Closes the open holes of a series that change, and tells which holes stand then: those known, with
-- those found, without the ids that came. Leans on id_hole_written_once.
WITH standing AS (
    SELECT
        hole_id,
        int8range(first_id, last_id, '[]') AS ids
    FROM ledger.id_hole
    WHERE
        dataset = %(dataset)s
        AND instrument_id = %(instrument_id)s
        AND closed_at IS NULL
),

wanted AS (
    SELECT
        unnest(
            coalesce((SELECT range_agg(ids) FROM standing), '{}')
            + coalesce((
                SELECT range_agg(int8range(first_id, last_id, '[]'))
                FROM unnest(%(found_first)s::bigint[], %(found_last)s::bigint[])
                    AS found (first_id, last_id)
            ), '{}')
            - coalesce((
                SELECT range_agg(int8range(first_id, last_id, '[]'))
                FROM unnest(%(came_first)s::bigint[], %(came_last)s::bigint[])
                    AS came (first_id, last_id)
            ), '{}')
        ) AS ids
),

closed AS (
    UPDATE ledger.id_hole AS hole
    SET closed_at = clock_timestamp()
    FROM standing
    WHERE
        hole.hole_id = standing.hole_id
        AND NOT EXISTS (SELECT FROM wanted WHERE wanted.ids = standing.ids)
)

SELECT
    lower(ids),
    upper(ids) - 1
FROM wanted
WHERE NOT EXISTS (SELECT FROM standing WHERE standing.ids = wanted.ids)
ORDER BY 1
