-- Reads the forecasts made in a window, with what their probabilities add up to; leans on
-- the index of model.forecast on made_at, if there is one, or reads the whole.
SELECT
    forecast.instrument_id,
    forecast.timeframe,
    forecast.made_at,
    forecast.target_time,
    whole.total,
    whole.least,
    whole.greatest
FROM model.forecast
CROSS JOIN LATERAL (
    SELECT
        sum(share) AS total,
        min(share) AS least,
        max(share) AS greatest
    FROM unnest(forecast.probabilities) AS share
) AS whole
WHERE forecast.made_at >= %(from_time)s AND forecast.made_at < %(to_time)s
ORDER BY forecast.instrument_id, forecast.timeframe, forecast.made_at, forecast.target_time
