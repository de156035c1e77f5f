-- Enters a landed file; other content under a known path starts again. Leans on landing_path_key.
INSERT INTO ledger.landing AS landing (
    dataset, venue, symbol, timeframe, span_start, span_end, path, rows, payload_sha256,
    source, run_id, origin
)
VALUES (
    %(dataset)s, %(venue)s, %(symbol)s, %(timeframe)s, %(span_start)s, %(span_end)s, %(path)s,
    %(rows)s, %(payload_sha256)s, %(source)s, %(run_id)s,
    %(origin)s
)
ON CONFLICT (path) DO UPDATE SET
    dataset = EXCLUDED.dataset,
    venue = EXCLUDED.venue,
    symbol = EXCLUDED.symbol,
    timeframe = EXCLUDED.timeframe,
    span_start = EXCLUDED.span_start,
    span_end = EXCLUDED.span_end,
    clean_path = NULL,
    rows = EXCLUDED.rows,
    payload_sha256 = EXCLUDED.payload_sha256,
    state = 'landed',
    source = EXCLUDED.source,
    run_id = EXCLUDED.run_id,
    origin = EXCLUDED.origin,
    verdict = NULL,
    landed_at = clock_timestamp(),
    checked_at = NULL,
    loaded_at = NULL,
    load_id = NULL
WHERE (
    landing.dataset, landing.venue, landing.symbol, landing.span_start, landing.span_end,
    landing.payload_sha256
) IS DISTINCT FROM (
    EXCLUDED.dataset, EXCLUDED.venue, EXCLUDED.symbol, EXCLUDED.span_start, EXCLUDED.span_end,
    EXCLUDED.payload_sha256
)
