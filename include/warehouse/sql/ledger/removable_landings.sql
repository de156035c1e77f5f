-- Lists loaded landings whose files are older than an instant and still kept, the oldest first, and
-- keeps others from landing anew under their paths; leans on landing_removable.
SELECT
    landing_id,
    path,
    clean_path
FROM ledger.landing
WHERE
    state = 'loaded'
    AND loaded_at < %(before)s
    AND (files_removed_at IS NULL OR files_removed_at < landed_at)
ORDER BY loaded_at
LIMIT %(limit)s
FOR UPDATE SKIP LOCKED
