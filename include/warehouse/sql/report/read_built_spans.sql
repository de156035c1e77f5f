-- Lists what of a span the cascade has built, by instrument and table; leans on coverage_pkey.
SELECT
    instrument_id,
    dataset,
    covered * tstzmultirange(tstzrange(%(since)s, %(until)s)) AS built
FROM ledger.coverage
WHERE dataset = ANY(%(datasets)s)
