-- Reads one landing by its path; leans on landing_path_key.
SELECT
    landing_id, dataset, venue, symbol, timeframe, span_start, span_end, path, clean_path, rows,
    payload_sha256, state, source, run_id, landed_at
FROM ledger.landing
WHERE path = %(path)s
