-- Lists the open holes in the ids of a series; leans on id_hole_written_once.
SELECT
    first_id,
    last_id,
    is_fault
FROM ledger.id_hole
WHERE
    dataset = %(dataset)s
    AND instrument_id = %(instrument_id)s
    AND closed_at IS NULL
ORDER BY first_id
