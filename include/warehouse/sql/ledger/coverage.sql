-- Lists the proven spans of one series; leans on coverage_pkey.
SELECT
    lower(span),
    upper(span)
FROM (
    SELECT unnest(covered) AS span
    FROM ledger.coverage
    WHERE dataset = %(dataset)s AND instrument_id = %(instrument_id)s
) AS spans
ORDER BY span
