-- Counts the states of channels of many instruments; leans on state_newest.
SELECT
    instrument_id,
    count(*)
FROM model.channel_state
WHERE timeframe = %(timeframe)s AND instrument_id = ANY(%(instrument_ids)s::integer[])
GROUP BY instrument_id
