-- Reads the newest states of channels of many instruments, of each instant the one stored last; leans on
-- state_newest.
SELECT
    newest.state_id,
    asked.instrument_id,
    %(timeframe)s,
    newest.known_at,
    newest.state,
    newest.sha256,
    newest.fit_run_id
FROM
    unnest(%(instrument_ids)s::integer[], %(known_untils)s::timestamptz[])
        AS asked (instrument_id, known_until)
CROSS JOIN LATERAL (
    SELECT DISTINCT ON (told.known_at)
        told.state_id,
        told.known_at,
        told.state,
        told.sha256,
        told.fit_run_id
    FROM model.channel_state AS told
    WHERE
        told.instrument_id = asked.instrument_id
        AND told.timeframe = %(timeframe)s
        AND told.known_at <= asked.known_until
    ORDER BY told.known_at DESC, told.state_id DESC
    LIMIT %(limit)s
) AS newest
ORDER BY asked.instrument_id, newest.known_at
