-- Reads the quantile lines of a fit; leans on segment_fit_run and channel_coefficient_pkey.
SELECT
    line.channel_id,
    line.tau,
    line.intercept,
    line.slope,
    line.pinball_loss_in,
    line.pinball_loss_out,
    line.calibration
FROM model.segment AS segment
INNER JOIN model.channel AS channel ON segment.segment_id = channel.segment_id
INNER JOIN model.channel_coefficient AS line ON channel.channel_id = line.channel_id
WHERE segment.fit_run_id = %(fit_run_id)s
ORDER BY line.channel_id, line.tau
