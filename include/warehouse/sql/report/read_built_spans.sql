-- Lists what of a span the cascade has built, by instrument and table, as starts and ends in epoch
-- milliseconds; leans on coverage_pkey.
SELECT
    instrument_id,
    dataset,
    ARRAY(SELECT (extract(EPOCH FROM lower(part)) * 1000)::bigint FROM unnest(built) AS part)
        AS starts_ms,
    ARRAY(SELECT (extract(EPOCH FROM upper(part)) * 1000)::bigint FROM unnest(built) AS part)
        AS ends_ms
FROM (
    SELECT
        instrument_id,
        dataset,
        covered * tstzmultirange(tstzrange(%(since)s, %(until)s)) AS built
    FROM ledger.coverage
    WHERE dataset = ANY(%(datasets)s)
) AS cut
