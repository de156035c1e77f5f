-- Widens an outage by a silence or a statement beside it; leans on venue_outage_pkey.
UPDATE ledger.venue_outage SET
    span_start = %(span_start)s,
    span_end = %(span_end)s,
    proof = proof || %(grown)s::jsonb
WHERE outage_id = %(outage_id)s
