-- Tells of every current fit of a timeframe what it has seen, and whether its parent tells something else
-- now than what it was fitted with; leans on fit_one_current, state_newest and channel_state_pkey.
SELECT
    fit.instrument_id,
    fit.data_xid::text::bigint,
    fit.range_start,
    fit.range_end,
    coalesce(newest.sha256 IS DISTINCT FROM used.sha256 AND newest.sha256 IS NOT NULL, false)
FROM model.fit_run AS fit
LEFT JOIN model.channel_state AS used
    ON used.state_id = fit.parent_states[array_upper(fit.parent_states, 1)]
LEFT JOIN LATERAL (
    SELECT told.sha256
    FROM model.channel_state AS told
    WHERE
        told.instrument_id = fit.instrument_id
        AND told.timeframe = %(parent)s
        AND told.known_at <= fit.range_end
    ORDER BY told.known_at DESC, told.state_id DESC
    LIMIT 1
) AS newest ON true
WHERE fit.timeframe = %(timeframe)s AND fit.is_current
