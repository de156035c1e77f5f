-- Ends episodes of drifts that are no longer found; leans on drift_episode_open.
UPDATE ledger.drift_episode AS episode
SET gone_at = greatest(%(at)s::timestamptz, episode.first_seen_at)
FROM unnest(
    %(instrument_id)s::integer[], %(timeframe)s::text[], %(kind)s::text[], %(measure)s::text[]
) AS quiet (instrument_id, timeframe, kind, measure)
WHERE
    episode.gone_at IS NULL
    AND episode.instrument_id = quiet.instrument_id
    AND episode.timeframe = quiet.timeframe
    AND episode.kind = quiet.kind
    AND episode.measure = quiet.measure
