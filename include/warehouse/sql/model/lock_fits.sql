-- Lets one fit per instrument and timeframe be stored at a time; leans on no index.
SELECT
    pg_advisory_xact_lock(
        hashtextextended('candlewick fit ' || told.timeframe || ' ' || told.instrument_id, 0)
    )
FROM (
    SELECT DISTINCT
        timeframe,
        instrument_id
    FROM unnest(%(instrument_ids)s::integer[], %(timeframes)s::text[]) AS t (instrument_id, timeframe)
    ORDER BY timeframe, instrument_id
) AS told
