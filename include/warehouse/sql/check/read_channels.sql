-- Reads the channels of the fits that are current: their segment, losses, and the narrowest gap
-- between neighbouring lines at its first and last candle, between which lines are kept from
-- crossing; leans on fit_one_current and channel_coefficient_pkey.
SELECT
    fit_run.instrument_id,
    fit_run.timeframe,
    segment.start_time,
    segment.end_time,
    channel.published,
    channel.baseline_loss,
    channel.model_loss,
    line.lines,
    line.least_gap
FROM model.fit_run
INNER JOIN market.timeframe ON fit_run.timeframe = timeframe.label
INNER JOIN model.segment ON fit_run.fit_run_id = segment.fit_run_id
INNER JOIN model.channel ON segment.segment_id = channel.segment_id
CROSS JOIN LATERAL (
    SELECT
        count(*) AS lines,
        min(least(apart.at_start, apart.at_end)) AS least_gap
    FROM (
        SELECT
            coefficient.intercept - lag(coefficient.intercept) OVER by_tau AS at_start,
            coefficient.intercept + coefficient.slope * hours.long
            - lag(coefficient.intercept + coefficient.slope * hours.long) OVER by_tau AS at_end
        FROM model.channel_coefficient AS coefficient
        CROSS JOIN LATERAL (
            SELECT
                extract(
                    EPOCH FROM segment.end_time - timeframe.length - segment.start_time
                )::float8 / 3600 AS long
        ) AS hours
        WHERE coefficient.channel_id = channel.channel_id
        WINDOW by_tau AS (ORDER BY coefficient.tau)
    ) AS apart
) AS line
WHERE fit_run.is_current
ORDER BY fit_run.instrument_id, fit_run.timeframe, segment.start_time
