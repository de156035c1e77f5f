-- Counts a look in vain for an open gap; leans on gap_pkey.
UPDATE ledger.gap SET
    reason = %(reason)s,
    attempts = attempts + 1,
    next_attempt_at = %(next_attempt_at)s::timestamptz,
    given_up_at = %(given_up_at)s::timestamptz,
    outage_id = CASE WHEN %(reason)s = 'outage' THEN outage_id END,
    proof = coalesce(%(proof)s::jsonb, proof)
WHERE gap_id = %(gap_id)s AND closed_at IS NULL
