-- Lists published channels that end within spans or shortly before them; leans on fit_by_end,
-- segment_fit_run and channel_coefficient_pkey.
SELECT
    channel.channel_id,
    fit.instrument_id,
    segment.start_time,
    segment.end_time,
    channel.baseline_lines -> 'steps',
    line.taus,
    line.intercepts,
    line.slopes,
    line.calibrations
FROM
    unnest(%(instrument_ids)s::integer[], %(span_starts)s::timestamptz[], %(span_ends)s::timestamptz[])
        AS asked (instrument_id, span_start, span_end)
INNER JOIN model.fit_run AS fit
    ON
        asked.instrument_id = fit.instrument_id
        AND fit.timeframe = %(timeframe)s
        AND fit.range_end >= asked.span_start - %(reach)s::interval
        AND fit.range_end < asked.span_end + %(reach)s::interval
INNER JOIN model.segment AS segment ON fit.fit_run_id = segment.fit_run_id
INNER JOIN model.channel AS channel ON segment.segment_id = channel.segment_id
CROSS JOIN LATERAL (
    SELECT
        array_agg(coefficient.tau ORDER BY coefficient.tau) AS taus,
        array_agg(coefficient.intercept ORDER BY coefficient.tau) AS intercepts,
        array_agg(coefficient.slope ORDER BY coefficient.tau) AS slopes,
        array_agg(coalesce(coefficient.calibration, 0) ORDER BY coefficient.tau) AS calibrations
    FROM model.channel_coefficient AS coefficient
    WHERE coefficient.channel_id = channel.channel_id
) AS line
WHERE
    channel.published
    AND channel.baseline_lines IS NOT NULL
    AND segment.end_time >= asked.span_start - %(reach)s::interval
    AND segment.end_time < asked.span_end
ORDER BY fit.instrument_id, segment.end_time
