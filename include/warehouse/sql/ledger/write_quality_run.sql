-- Stores one run of a suite once, however often it is told; leans on quality_run_once.
INSERT INTO ledger.quality_run (
    checkpoint, suite, dataset, batch, span_start, span_end, rows, expectations,
    failed_block, failed_warn, failed_info, success, engine, run_at
)
VALUES (
    %(checkpoint)s, %(suite)s, %(dataset)s, %(batch)s, %(span_start)s, %(span_end)s, %(rows)s,
    %(expectations)s, %(failed_block)s, %(failed_warn)s, %(failed_info)s, %(success)s, %(engine)s,
    coalesce(%(run_at)s::timestamptz, clock_timestamp())
)
ON CONFLICT (checkpoint, suite, dataset, batch, run_at) DO NOTHING
RETURNING quality_run_id
