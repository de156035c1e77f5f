-- Adds up what accounts of the same candles were held against each other; leans on
-- reconciliation_run_span.
SELECT
    venue.name,
    run.timeframe,
    run.left_source,
    run.right_source,
    count(DISTINCT run.instrument_id) AS instruments,
    sum(run.compared)::bigint AS compared,
    sum(run.equal)::bigint AS equal,
    sum(run.rounding)::bigint AS rounding,
    sum(run.incomplete)::bigint AS incomplete,
    sum(run.differing)::bigint AS differing,
    max(run.span_end) AS newest
FROM ledger.reconciliation_run AS run
INNER JOIN market.instrument AS instrument ON run.instrument_id = instrument.instrument_id
INNER JOIN market.venue AS venue ON instrument.venue_id = venue.venue_id
WHERE run.span_start >= %(since)s AND run.span_start < %(until)s
GROUP BY venue.name, run.timeframe, run.left_source, run.right_source
ORDER BY
    venue.name, max(run.span_end - run.span_start), run.timeframe, run.left_source,
    run.right_source
LIMIT %(most)s
