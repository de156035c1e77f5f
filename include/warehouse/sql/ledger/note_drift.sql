-- Notes a changed field and tells whether it is news; leans on schema_drift_pkey.
INSERT INTO ledger.schema_drift AS known (venue, endpoint, field, kind)
VALUES (%(venue)s, %(endpoint)s, %(field)s, %(kind)s)
ON CONFLICT (venue, endpoint, field, kind) DO UPDATE
SET last_seen_at = greatest(known.last_seen_at, EXCLUDED.last_seen_at)
RETURNING old.venue IS NULL
