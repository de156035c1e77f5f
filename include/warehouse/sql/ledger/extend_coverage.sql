-- Adds proven spans to series, writing only where that proves more; leans on coverage_pkey.
INSERT INTO ledger.coverage AS known (dataset, instrument_id, covered)
SELECT
    %(dataset)s,
    instrument_id,
    range_agg(proven)
FROM unnest(
    %(instrument_ids)s::integer[], %(proven)s::tstzmultirange[]
) AS told (instrument_id, proven)
GROUP BY instrument_id
ORDER BY instrument_id
ON CONFLICT (dataset, instrument_id) DO UPDATE SET covered = known.covered + EXCLUDED.covered
WHERE NOT known.covered @> EXCLUDED.covered
