-- Lists detected outages of a venue in force that nobody was told of, oldest first; leans on
-- venue_outage_untold.
SELECT
    outage.outage_id,
    outage.span_start,
    outage.span_end,
    outage.proof
FROM ledger.venue_outage AS outage
INNER JOIN market.venue AS venue ON outage.venue_id = venue.venue_id
WHERE
    venue.name = %(venue)s
    AND outage.source = 'detected'
    AND outage.told_at IS NULL
    AND outage.withdrawn_at IS NULL
ORDER BY outage.span_start
