-- Marks waiting rows as taken by a load; leans on quarantine_pkey.
UPDATE ledger.quarantine AS waiting SET
    state = 'released',
    released_at = clock_timestamp(),
    released_load_id = %(load_id)s
FROM pg_temp.parked_rows AS parked
WHERE waiting.quarantine_id = parked.quarantine_id
