-- Notes that somebody was told of differences; leans on reconciliation_pkey.
UPDATE ledger.reconciliation SET told_at = %(at)s
WHERE reconciliation_id = ANY(%(reconciliation_ids)s) AND told_at IS NULL
