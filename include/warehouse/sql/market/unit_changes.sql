-- Lists declared changes of unit of an instrument that goes on; leans on action_instrument_id.
SELECT
    effective_at,
    factor::float8
FROM market.corporate_action
WHERE
    instrument_id = %(instrument_id)s
    AND successor_id = %(instrument_id)s
    AND factor <> 1
ORDER BY effective_at
