-- Enters outcomes of channels, or mends those that a revised candle changed; leans on
-- channel_outcome_pkey.
INSERT INTO model.channel_outcome AS known (
    channel_id, step, tau, close_time, loss, baseline_loss, is_below
)
SELECT
    channel_id,
    step,
    tau,
    close_time,
    loss,
    baseline_loss,
    is_below
FROM
    unnest(
        %(told)s::bigint[], %(steps)s::integer[], %(taus)s::float8[], %(close_times)s::timestamptz[],
        %(losses)s::float8[], %(baseline_losses)s::float8[], %(belows)s::boolean[]
    ) AS told (channel_id, step, tau, close_time, loss, baseline_loss, is_below)
ON CONFLICT (channel_id, step, tau) DO UPDATE SET
    loss = excluded.loss,
    baseline_loss = excluded.baseline_loss,
    is_below = excluded.is_below,
    scored_at = clock_timestamp()
WHERE (known.loss, known.is_below) IS DISTINCT FROM (excluded.loss, excluded.is_below)
