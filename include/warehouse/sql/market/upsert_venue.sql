-- Enters a venue or mends its title, writing only what differs; leans on venue_name_key.
INSERT INTO market.venue AS known (name, title, kind, session_calendar)
VALUES (%(name)s, %(title)s, %(kind)s, %(session_calendar)s)
ON CONFLICT (name) DO UPDATE SET
    title = EXCLUDED.title,
    kind = EXCLUDED.kind,
    session_calendar = EXCLUDED.session_calendar
WHERE
    (known.title, known.kind, known.session_calendar)
    IS DISTINCT FROM (EXCLUDED.title, EXCLUDED.kind, EXCLUDED.session_calendar)
