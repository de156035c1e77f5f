-- Lets one fit per instrument and timeframe be stored at a time; leans on no index.
SELECT
    pg_advisory_xact_lock(
        hashtextextended(
            'candlewick fit ' || %(timeframe)s::text || ' ' || %(instrument_id)s::integer, 0
        )
    )
