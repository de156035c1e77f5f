-- Stores the verdict on one content of a landing; leans on verdict_one_per_content.
INSERT INTO ledger.verdict (
    landing_id, payload_sha256, suite, success, rows, refused, results
)
VALUES (
    %(landing_id)s, %(payload_sha256)s, %(suite)s, %(success)s, %(rows)s, %(refused)s, %(results)s
)
ON CONFLICT (landing_id, payload_sha256) DO UPDATE SET
    suite = EXCLUDED.suite,
    success = EXCLUDED.success,
    rows = EXCLUDED.rows,
    refused = EXCLUDED.refused,
    results = EXCLUDED.results,
    recorded_at = EXCLUDED.recorded_at
RETURNING verdict_id
