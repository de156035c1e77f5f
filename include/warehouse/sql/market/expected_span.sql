-- Lists when, within a span, an instrument is expected to trade; leans on what known_absence leans
-- on.
SELECT
    lower(part) AS expected_from,
    upper(part) AS expected_to
FROM
    unnest(
        market.expected_span(%(instrument_id)s, tstzrange(%(span_start)s, %(span_end)s))
    ) AS part
ORDER BY part
