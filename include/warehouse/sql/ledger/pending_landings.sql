-- Lists the landings at a state, oldest content first; leans on landing_waiting.
SELECT
    landing_id, dataset, venue, symbol, timeframe, span_start, span_end, path, clean_path, rows,
    payload_sha256, state, source, run_id, landed_at
FROM ledger.landing
WHERE state = %(state)s
ORDER BY landed_at, landing_id
LIMIT %(limit)s
