-- Drops outcomes of channels whose candle is no longer there; leans on channel_outcome_pkey.
DELETE FROM model.channel_outcome AS outcome
WHERE
    outcome.channel_id = ANY(%(channel_ids)s::bigint[])
    AND NOT EXISTS (
        SELECT
        FROM unnest(%(told)s::bigint[], %(steps)s::integer[]) AS told (channel_id, step)
        WHERE told.channel_id = outcome.channel_id AND told.step = outcome.step
    )
