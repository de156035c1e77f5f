-- Locks landings, in order, and tells how they stand; leans on landing_pkey.
SELECT
    landing_id,
    payload_sha256,
    span_start,
    span_end,
    state
FROM ledger.landing
WHERE landing_id = ANY(%(landing_ids)s::bigint[])
ORDER BY landing_id
FOR UPDATE
