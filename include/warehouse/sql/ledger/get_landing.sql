-- Reads one landing; leans on landing_pkey.
SELECT
    landing_id, dataset, venue, symbol, timeframe, span_start, span_end, path, clean_path, rows,
    payload_sha256, state, source, run_id, landed_at
FROM ledger.landing
WHERE landing_id = %(landing_id)s
