-- Notes that somebody was told of outages; leans on venue_outage_pkey.
UPDATE ledger.venue_outage SET told_at = %(at)s
WHERE outage_id = ANY(%(outage_ids)s::bigint[]) AND told_at IS NULL
