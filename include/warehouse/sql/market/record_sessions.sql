-- Enters the sessions of a calendar that are not known yet, except where one that had to stay is in
-- the way; leans on session_opens_once and session_no_overlap.
INSERT INTO market.session (venue_id, opens_at, closes_at)
SELECT
    %(venue_id)s,
    stated.opens_at,
    stated.closes_at
FROM unnest(%(opens_at)s::timestamptz[], %(closes_at)s::timestamptz[])
    AS stated (opens_at, closes_at)
ORDER BY stated.opens_at
ON CONFLICT DO NOTHING
