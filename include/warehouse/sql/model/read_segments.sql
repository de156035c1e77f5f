-- Reads the segments of a fit with their channels and scores; leans on segment_fit_run and
-- channel_score_pkey.
SELECT
    segment.start_time,
    segment.end_time,
    segment.slope_per_hour,
    segment.intercept,
    segment.candles,
    segment.residual_scale,
    channel.channel_id,
    channel.published,
    channel.declined_reason,
    channel.baseline_loss,
    channel.model_loss,
    (
        SELECT jsonb_object_agg(score.metric, score.value)
        FROM model.channel_score AS score
        WHERE score.channel_id = channel.channel_id
    ) AS scores,
    channel.baseline_losses,
    channel.baseline_lines,
    segment.duration_hours,
    segment.max_drawdown,
    segment.max_run_up,
    segment.volume_per_hour,
    segment.volume_first_third,
    segment.volume_middle_third,
    segment.volume_last_third,
    segment.relative_volume,
    segment.age_hours,
    segment.parent_begin,
    segment.parent_end,
    segment.parent_share,
    segment.r1_05,
    segment.r1_25,
    segment.r1_50,
    segment.r1_75,
    segment.r1_95,
    segment.begin_first_hours,
    segment.begin_last_hours
FROM model.segment AS segment
LEFT JOIN model.channel AS channel ON segment.segment_id = channel.segment_id
WHERE segment.fit_run_id = %(fit_run_id)s
ORDER BY segment.start_time
