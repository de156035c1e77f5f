-- Stores new and revised candles in key order, keeps what they replace, writes the changed runs.
-- Leans on the candles' primary key and on RETURNING old.
WITH merged AS (
    INSERT INTO {table} AS stored (
        instrument_id, open_time, {values}, source, load_id, recorded_at
    )
    SELECT
        judged.instrument_id,
        judged.open_time,
        {values},
        %(source)s,
        %(load_id)s,
        %(recorded_at)s
    FROM pg_temp.candle_judged AS judged
    WHERE judged.fate IN ('new', 'revised')
    ORDER BY judged.instrument_id, judged.open_time
    ON CONFLICT (instrument_id, open_time) DO UPDATE SET
        {assignments},
        source = excluded.source,
        revision = stored.revision + 1,
        load_id = excluded.load_id,
        recorded_at = greatest(
            excluded.recorded_at, stored.recorded_at + interval '1 microsecond'
        )
    WHERE ({stored}) IS DISTINCT FROM ({excluded})
    RETURNING
        new.instrument_id,
        new.open_time,
        new.recorded_at,
        old.instrument_id IS NULL AS is_new,
        {replaced},
        old.source AS old_source,
        old.revision AS old_revision,
        old.load_id AS old_load_id,
        old.recorded_at AS old_recorded_at
),

kept AS (
    INSERT INTO market.candle_revision (
        timeframe, instrument_id, open_time, revision, {values}, source, load_id, recorded_during
    )
    SELECT
        %(timeframe)s,
        instrument_id,
        open_time,
        old_revision,
        {old_values},
        old_source,
        old_load_id,
        tstzrange(old_recorded_at, recorded_at)
    FROM merged
    WHERE NOT is_new
),

told AS (
    INSERT INTO ledger.change (dataset, instrument_id, span_start, span_end, reason, load_id)
    SELECT
        %(dataset)s,
        instrument_id,
        min(open_time),
        max(open_time) + %(length)s,
        CASE WHEN is_new THEN 'new' ELSE 'revised' END,
        %(load_id)s
    FROM (
        SELECT
            instrument_id,
            open_time,
            is_new,
            -- Rows that follow each other without a break share this instant.
            open_time - %(length)s * row_number() OVER (
                PARTITION BY instrument_id, is_new ORDER BY open_time
            ) AS run
        FROM merged
    ) AS runs
    GROUP BY instrument_id, is_new, run
    ORDER BY instrument_id, min(open_time)
)

SELECT
    count(*) FILTER (WHERE is_new),
    count(*) FILTER (WHERE NOT is_new)
FROM merged
