-- Adds the same proven spans to many series, writing only where that proves more; leans on
-- coverage_pkey.
INSERT INTO ledger.coverage AS known (dataset, instrument_id, covered)
SELECT
    %(dataset)s,
    instrument_id,
    %(proven)s::tstzmultirange
FROM unnest(%(instrument_ids)s::integer[]) AS instrument_id
ON CONFLICT (dataset, instrument_id) DO UPDATE SET covered = known.covered + EXCLUDED.covered
WHERE NOT known.covered @> EXCLUDED.covered
