-- Lists the drifts that last, the newest first; leans on drift_episode_open.
SELECT
    venue.name,
    instrument.symbol,
    episode.timeframe,
    episode.measure,
    episode.advice,
    episode.detail,
    episode.began_at,
    episode.first_seen_at,
    episode.accepted_at IS NOT NULL AS is_accepted
FROM ledger.drift_episode AS episode
INNER JOIN market.instrument AS instrument ON episode.instrument_id = instrument.instrument_id
INNER JOIN market.venue AS venue ON instrument.venue_id = venue.venue_id
WHERE episode.gone_at IS NULL
ORDER BY
    episode.first_seen_at DESC, venue.name, instrument.symbol, episode.timeframe,
    episode.measure
LIMIT %(most)s
