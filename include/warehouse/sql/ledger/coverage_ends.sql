-- Tells where the proven candles of many series end; leans on coverage_pkey.
SELECT
    instrument_id,
    upper(covered)
FROM ledger.coverage
WHERE
    dataset = %(dataset)s
    AND instrument_id = ANY(%(instrument_ids)s::integer[])
    AND NOT isempty(covered)
