-- Lets one writer at a time merge into each series, taken in order of id; leans on no index.
SELECT
    pg_advisory_xact_lock(
        hashtextextended('candlewick series ' || %(dataset)s::text || ' ' || instrument_id, 0)
    )
FROM (
    SELECT instrument_id
    FROM unnest(%(instrument_ids)s::integer[]) AS instrument_id
    ORDER BY instrument_id
) AS ordered
