-- Reads the funding payments of some instruments in a window, each with the one before and the
-- interval known of its instrument; leans on funding_rate_pkey.
SELECT
    stored.instrument_id,
    stored.funding_time,
    stored.rate,
    stored.mark_price,
    lag(stored.funding_time) OVER (PARTITION BY stored.instrument_id ORDER BY stored.funding_time)
        AS time_before
FROM market.funding_rate AS stored
WHERE
    stored.instrument_id = ANY(%(instrument_ids)s)
    AND stored.funding_time >= %(from_time)s
    AND stored.funding_time < %(to_time)s
ORDER BY stored.instrument_id, stored.funding_time
