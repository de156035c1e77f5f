-- Tells what of one span is proven of many series, those with the same answer together; leans on
-- coverage_pkey.
SELECT
    dataset,
    clipped,
    array_agg(instrument_id)
FROM (
    SELECT
        dataset,
        instrument_id,
        covered * tstzmultirange(tstzrange(%(span_start)s, %(span_end)s)) AS clipped
    FROM ledger.coverage
    WHERE
        dataset = ANY(%(datasets)s)
        AND instrument_id = ANY(%(instrument_ids)s::integer[])
) AS within
GROUP BY dataset, clipped
