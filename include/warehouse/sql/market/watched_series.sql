-- Lists instruments whose candles are covered at an instant, with their venues and symbols; leans on
-- coverage_pkey and instrument_pkey.
SELECT
    coverage.instrument_id,
    venue.name,
    instrument.symbol
FROM ledger.coverage AS coverage
INNER JOIN market.instrument AS instrument USING (instrument_id)
INNER JOIN market.venue AS venue USING (venue_id)
WHERE coverage.dataset = %(dataset)s AND coverage.covered && %(span)s::tstzrange
ORDER BY coverage.instrument_id
