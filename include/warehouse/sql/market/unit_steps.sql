-- Lists the changes of unit of instruments that went on through them; leans on
-- action_instrument_id.
SELECT
    instrument_id,
    effective_at,
    factor::float8
FROM market.corporate_action
WHERE
    instrument_id = ANY(%(instrument_ids)s::integer[])
    AND successor_id = instrument_id
    AND factor <> 1
ORDER BY 1, 2
