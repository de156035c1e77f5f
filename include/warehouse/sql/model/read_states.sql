-- Reads states of channels by their ids; leans on channel_state_pkey.
SELECT
    state_id,
    instrument_id,
    timeframe,
    known_at,
    state,
    sha256,
    fit_run_id
FROM model.channel_state
WHERE state_id = ANY(%(state_ids)s::bigint[])
ORDER BY known_at
