-- Lists the newest outages of venues that are believed, and the instruments whose gaps refer to
-- each; leans on gap_of_outage, and reads the whole of ledger.venue_outage, which is small.
SELECT
    venue.name,
    outage.span_start,
    outage.span_end,
    outage.source,
    outage.note,
    (
        SELECT count(DISTINCT gap.instrument_id) FROM ledger.gap AS gap
        WHERE gap.outage_id = outage.outage_id AND gap.closed_at IS NULL
    ) AS instruments
FROM ledger.venue_outage AS outage
INNER JOIN market.venue AS venue ON outage.venue_id = venue.venue_id
WHERE
    outage.withdrawn_at IS NULL
    AND outage.span_end > %(since)s
    AND outage.span_start < %(until)s
ORDER BY outage.span_start DESC, venue.name
LIMIT %(most)s
