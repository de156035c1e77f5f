-- Leaves an open gap alone for a while; leans on gap_pkey.
UPDATE ledger.gap SET next_attempt_at = %(until)s
WHERE gap_id = %(gap_id)s AND closed_at IS NULL
