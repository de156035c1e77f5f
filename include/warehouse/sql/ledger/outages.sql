-- Lists the outages of a venue in force that meet or touch a span; leans on outage_written_once.
SELECT
    outage.outage_id,
    outage.span_start,
    outage.span_end,
    outage.source,
    outage.note,
    outage.proof
FROM ledger.venue_outage AS outage
INNER JOIN market.venue AS venue ON outage.venue_id = venue.venue_id
WHERE
    venue.name = %(venue)s
    AND outage.withdrawn_at IS NULL
    AND (%(span_start)s::timestamptz IS NULL OR outage.span_end >= %(span_start)s::timestamptz)
    AND (%(span_end)s::timestamptz IS NULL OR outage.span_start <= %(span_end)s::timestamptz)
ORDER BY outage.span_start
