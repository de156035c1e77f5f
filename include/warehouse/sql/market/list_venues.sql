-- Lists every venue as its record; reads the whole table, which has a few rows.
SELECT
    name,
    title,
    kind,
    session_calendar,
    symbol_case
FROM market.venue
ORDER BY name
