-- Adds proven spans to one series, writing only when that proves more; leans on coverage_pkey.
INSERT INTO ledger.coverage AS known (dataset, instrument_id, covered)
VALUES (%(dataset)s, %(instrument_id)s, %(proven)s::tstzmultirange)
ON CONFLICT (dataset, instrument_id) DO UPDATE SET covered = known.covered + EXCLUDED.covered
WHERE NOT known.covered @> EXCLUDED.covered
