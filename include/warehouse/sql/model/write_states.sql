-- Adds states of channels, but for those that repeat the newest of their instant; leans on state_newest.
INSERT INTO model.channel_state (instrument_id, timeframe, known_at, state, sha256, fit_run_id)
SELECT
    told.instrument_id,
    told.timeframe,
    told.known_at,
    told.state,
    told.sha256,
    told.fit_run_id
FROM
    unnest(
        %(instrument_ids)s::integer[], %(timeframes)s::text[], %(known_ats)s::timestamptz[],
        %(states)s::jsonb[], %(sha256s)s::text[], %(fit_run_ids)s::bigint[]
    ) WITH ORDINALITY
        AS told (instrument_id, timeframe, known_at, state, sha256, fit_run_id, place)
WHERE
    told.sha256 IS DISTINCT FROM (
        SELECT known.sha256
        FROM model.channel_state AS known
        WHERE
            known.instrument_id = told.instrument_id
            AND known.timeframe = told.timeframe
            AND known.known_at = told.known_at
        ORDER BY known.state_id DESC
        LIMIT 1
    )
ORDER BY told.place
