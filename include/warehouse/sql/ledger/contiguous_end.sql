-- Finds where the unbroken coverage around an instant ends; leans on coverage_pkey.
SELECT upper(span)
FROM (
    SELECT unnest(covered) AS span
    FROM ledger.coverage
    WHERE dataset = %(dataset)s AND instrument_id = %(instrument_id)s
) AS spans
WHERE span @> %(start)s::timestamptz
