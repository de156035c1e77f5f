-- Lists when the last loads of a dataset before an instant were recorded, the newest first; leans on
-- load_by_dataset.
SELECT recorded_at
FROM ledger.load
WHERE
    dataset = %(dataset)s
    AND recorded_at > %(at)s::timestamptz - interval '1 hour'
    AND recorded_at <= %(at)s
ORDER BY recorded_at DESC
LIMIT 64
