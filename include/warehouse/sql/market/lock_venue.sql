-- Lets one sync of a venue work at a time; leans on venue_name_key.
SELECT
    venue_id,
    session_calendar
FROM market.venue
WHERE name = %(name)s
FOR NO KEY UPDATE
