-- Counts a look in vain for an open gap; leans on gap_pkey.
UPDATE ledger.gap SET
    reason = %(reason)s,
    attempts = attempts + 1,
    next_attempt_at = %(next_attempt_at)s::timestamptz,
    proof = coalesce(%(proof)s::jsonb, proof)
WHERE gap_id = %(gap_id)s AND closed_at IS NULL
