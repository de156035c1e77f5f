-- Counts a look at waiting rows and forgets those still without meaning; reads the whole batch.
WITH looked_at AS (
    UPDATE ledger.quarantine AS waiting SET attempts = waiting.attempts + 1
    FROM pg_temp.parked_rows AS parked
    WHERE waiting.quarantine_id = parked.quarantine_id
)

DELETE FROM pg_temp.parked_rows AS parked
WHERE NOT EXISTS (
    SELECT FROM pg_temp.staged_rows AS arrived WHERE arrived.position = parked.position
)
