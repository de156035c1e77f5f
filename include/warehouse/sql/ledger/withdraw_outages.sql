-- Takes outages back that proved wrong; leans on venue_outage_pkey.
UPDATE ledger.venue_outage SET withdrawn_at = now()
WHERE outage_id = ANY(%(outage_ids)s::bigint[]) AND withdrawn_at IS NULL
