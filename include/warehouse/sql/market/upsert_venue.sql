-- Enters a venue or mends what is told of it, writing only what differs; leans on venue_name_key.
INSERT INTO market.venue AS known (name, title, kind, session_calendar, symbol_case)
VALUES (%(name)s, %(title)s, %(kind)s, %(session_calendar)s, %(symbol_case)s)
ON CONFLICT (name) DO UPDATE SET
    title = EXCLUDED.title,
    kind = EXCLUDED.kind,
    session_calendar = EXCLUDED.session_calendar,
    symbol_case = EXCLUDED.symbol_case
WHERE
    (known.title, known.kind, known.session_calendar, known.symbol_case)
    IS DISTINCT FROM (
        EXCLUDED.title, EXCLUDED.kind, EXCLUDED.session_calendar, EXCLUDED.symbol_case
    )
