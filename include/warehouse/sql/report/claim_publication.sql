-- Takes up the message about an event unless it was sent or somebody works on it; leans on
-- publication_event_key_key.
INSERT INTO report.publication AS known (event_key, kind, title)
VALUES (%(event_key)s, %(kind)s, %(title)s)
ON CONFLICT (event_key) DO UPDATE SET
    state = 'pending',
    attempts = known.attempts + 1,
    claimed_at = clock_timestamp()
WHERE
    known.state = 'failed'
    OR (known.state = 'pending' AND known.claimed_at < clock_timestamp() - %(stale_after)s)
RETURNING publication_id
