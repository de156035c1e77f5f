-- Marks as gone what the audit that began at an instant no longer found; leans on finding_open.
UPDATE ledger.finding SET gone_at = clock_timestamp()
WHERE gone_at IS NULL AND last_seen_at < %(began_at)s
