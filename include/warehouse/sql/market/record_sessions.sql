-- Enters the UTC days a span meets as sessions; leans on session_opens_once.
INSERT INTO market.session (venue_id, opens_at, closes_at)
SELECT
    %(venue_id)s,
    day,
    date_add(day, interval '1 day', 'UTC')
FROM generate_series(
    date_trunc('day', %(span_start)s::timestamptz, 'UTC'), %(span_end)s::timestamptz,
    interval '1 day', 'UTC'
) AS day
WHERE day < %(span_end)s
ORDER BY day
ON CONFLICT DO NOTHING
