-- Drops the segments of old fits that were never shown and can be made again; leans on
-- fit_run_pkey and segment_fit_run.
DELETE FROM model.segment AS segment
USING model.fit_run AS fit
WHERE
    segment.fit_run_id = fit.fit_run_id
    AND NOT fit.is_current
    AND fit.input_sha256 IS NOT NULL
    AND fit.recorded_at < %(before)s
    AND NOT EXISTS (
        SELECT
        FROM model.segment AS shown
        INNER JOIN model.channel AS channel ON shown.segment_id = channel.segment_id
        WHERE shown.fit_run_id = fit.fit_run_id AND channel.published
    )
