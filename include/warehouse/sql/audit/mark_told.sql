-- Notes that somebody was told of some findings; leans on finding_pkey.
UPDATE ledger.finding SET told_at = clock_timestamp()
WHERE finding_id = ANY(%(finding_ids)s) AND told_at IS NULL
