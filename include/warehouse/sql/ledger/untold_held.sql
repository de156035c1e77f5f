-- Lists the landings of a venue that are held back and whose message has not gone out, oldest first;
-- leans on landing_waiting and publication_event_key_key. The key is that of HeldBatch.event_key.
SELECT
    landing.landing_id,
    landing.symbol,
    landing.span_start,
    landing.span_end,
    landing.payload_sha256,
    landing.landed_at,
    coalesce(landing.verdict, '{}') AS verdict
FROM ledger.landing AS landing
WHERE
    landing.state = 'held'
    AND landing.venue = %(venue)s
    AND NOT EXISTS (
        SELECT FROM report.publication AS publication
        WHERE
            publication.event_key
            = 'held:' || landing.venue || ':' || landing.symbol || ':'
            || left(landing.payload_sha256, 16)
            AND publication.state = 'sent'
    )
ORDER BY landing.landed_at, landing.landing_id
LIMIT %(most)s
