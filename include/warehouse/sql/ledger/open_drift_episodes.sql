-- Lists drifts in force that nobody accepted, with the names of their instruments; leans on
-- drift_episode_open and instrument_pkey.
SELECT
    episode.episode_id,
    episode.instrument_id,
    episode.timeframe,
    episode.kind,
    episode.measure,
    episode.advice,
    episode.began_at,
    episode.detail,
    episode.told_at IS NOT NULL,
    episode.handed_to,
    venue.name || ' ' || instrument.symbol
FROM ledger.drift_episode AS episode
INNER JOIN market.instrument AS instrument USING (instrument_id)
INNER JOIN market.venue AS venue USING (venue_id)
WHERE episode.gone_at IS NULL AND episode.accepted_at IS NULL
ORDER BY episode.episode_id
