-- Lists spans that were expected and of which nothing is known; leans on coverage_pkey and gap_open.
SELECT
    instrument_id,
    lower(span),
    upper(span)
FROM ledger.unasked(%(dataset)s, tstzrange(%(span_start)s, %(span_end)s))
ORDER BY instrument_id, span
