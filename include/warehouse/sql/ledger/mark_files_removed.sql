-- Notes that the files of some landings are gone; leans on landing_pkey.
UPDATE ledger.landing SET files_removed_at = clock_timestamp()
WHERE landing_id = ANY(%(landing_ids)s)
