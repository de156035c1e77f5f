-- Forgets runs of suites older than an instant with what they found, but for the newest run of each
-- suite over each dataset, a batch at a time, the oldest first; leans on quality_run_age.
WITH old AS (
    SELECT run.quality_run_id
    FROM ledger.quality_run AS run
    WHERE
        run.run_at < %(before)s
        AND EXISTS (
            SELECT FROM ledger.quality_run AS later
            WHERE
                later.suite = run.suite
                AND later.dataset = run.dataset
                AND later.checkpoint = run.checkpoint
                AND later.run_at > run.run_at
        )
    ORDER BY run.run_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)

DELETE FROM ledger.quality_run AS run
USING old
WHERE run.quality_run_id = old.quality_run_id
