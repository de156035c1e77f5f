-- Drops the features of bars that were derived again and are no more; leans on feature_pkey.
DELETE FROM market.feature AS stored
USING unnest(
    %(instrument_ids)s::integer[], %(span_starts)s::timestamptz[], %(span_ends)s::timestamptz[]
) AS told (instrument_id, span_start, span_end)
WHERE
    stored.timeframe = %(timeframe)s
    AND stored.instrument_id = told.instrument_id
    AND stored.open_time >= told.span_start
    AND stored.open_time < told.span_end
    AND NOT EXISTS (
        SELECT FROM pg_temp.staged_features AS staged
        WHERE
            staged.instrument_id = stored.instrument_id
            AND staged.open_time = stored.open_time
    )
RETURNING
    stored.instrument_id,
    stored.open_time
