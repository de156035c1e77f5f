-- Part of merge_rows: writes one change per run of rows that follow each other; reads the whole
-- merge. Rows of no grid are one run.
, told AS (
    INSERT INTO ledger.change (dataset, instrument_id, span_start, span_end, reason, load_id)
    SELECT
        %(dataset)s,
        instrument_id,
        min(told_time),
        max(told_time) + coalesce(%(step)s::interval, interval '1 microsecond'),
        CASE WHEN is_new THEN 'new' ELSE 'revised' END,
        %(load_id)s
    FROM (
        SELECT
            instrument_id,
            {time} AS told_time,
            is_new,
            -- Rows that follow each other without a break share this instant.
            {time} - %(step)s::interval * row_number() OVER (
                PARTITION BY instrument_id, is_new ORDER BY {time}
            ) AS run
        FROM merged
    ) AS runs
    GROUP BY instrument_id, is_new, run
    ORDER BY instrument_id, min(told_time)
)
