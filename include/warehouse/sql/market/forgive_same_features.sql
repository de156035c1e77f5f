-- Takes out of a batch what is stored already with the same values; leans on feature_pkey.
DELETE FROM pg_temp.staged_features AS staged
USING market.feature AS stored
WHERE
    stored.timeframe = %(timeframe)s
    AND stored.instrument_id = staged.instrument_id
    AND stored.open_time = staged.open_time
    AND ({stored}) IS NOT DISTINCT FROM ({staged})
