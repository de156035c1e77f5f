-- Brings the end of known sessions to what the calendar states; leans on session_opens_once.
UPDATE market.session AS known SET
    closes_at = stated.closes_at
FROM unnest(%(opens_at)s::timestamptz[], %(closes_at)s::timestamptz[])
    AS stated (opens_at, closes_at)
WHERE
    known.venue_id = %(venue_id)s
    AND known.opens_at = stated.opens_at
    AND known.closes_at <> stated.closes_at
