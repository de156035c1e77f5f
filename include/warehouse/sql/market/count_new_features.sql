-- Counts the rows of a batch, those not stored yet, and the time they span; leans on feature_pkey.
SELECT
    count(*),
    count(*) FILTER (WHERE stored.instrument_id IS NULL),
    min(staged.open_time),
    max(staged.open_time)
FROM pg_temp.staged_features AS staged
LEFT JOIN market.feature AS stored
    ON
        stored.timeframe = %(timeframe)s
        AND staged.instrument_id = stored.instrument_id
        AND staged.open_time = stored.open_time
