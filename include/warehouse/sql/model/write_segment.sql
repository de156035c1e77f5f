-- Enters one segment of a fit; leans on segment_no_overlap.
INSERT INTO model.segment (
    fit_run_id, start_time, end_time, slope_per_hour, intercept, candles, residual_scale
)
VALUES (
    %(fit_run_id)s, %(start_time)s, %(end_time)s, %(slope_per_hour)s, %(intercept)s, %(candles)s,
    %(residual_scale)s
)
RETURNING segment_id
