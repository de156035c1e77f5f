-- Stores a batch of features and files a change for each run of bars; leans on feature_pkey.
WITH written AS (
    INSERT INTO market.feature AS stored (
        timeframe, instrument_id, open_time, {values}, load_id, recorded_at
    )
    SELECT
        %(timeframe)s,
        instrument_id,
        open_time,
        {values},
        %(load_id)s,
        %(recorded_at)s
    FROM pg_temp.staged_features
    ORDER BY instrument_id, open_time
    ON CONFLICT (instrument_id, timeframe, open_time) DO UPDATE SET
        ({values}, load_id, recorded_at)
        = ROW({excluded}, EXCLUDED.load_id, EXCLUDED.recorded_at)
    RETURNING stored.instrument_id, stored.open_time, old.instrument_id IS NULL AS is_new
)

INSERT INTO ledger.change (dataset, instrument_id, span_start, span_end, reason, load_id)
SELECT
    %(dataset)s,
    instrument_id,
    min(open_time),
    max(open_time) + %(step)s::interval,
    CASE WHEN is_new THEN 'new' ELSE 'revised' END,
    %(load_id)s
FROM (
    SELECT
        instrument_id,
        open_time,
        is_new,
        -- Bars that follow each other without a break share this instant.
        open_time - %(step)s::interval * row_number() OVER (
            PARTITION BY instrument_id, is_new ORDER BY open_time
        ) AS run
    FROM written
) AS runs
GROUP BY instrument_id, is_new, run
ORDER BY instrument_id, min(open_time)
