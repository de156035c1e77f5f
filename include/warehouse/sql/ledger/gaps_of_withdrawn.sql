-- Lists the open gaps of a venue whose outage was withdrawn; leans on venue_outage_pkey and
-- gap_of_outage.
SELECT
    gap.gap_id,
    gap.instrument_id,
    gap.span_start,
    gap.span_end,
    gap.reason,
    gap.attempts,
    gap.next_attempt_at,
    gap.proof,
    gap.found_at,
    gap.outage_id,
    gap.given_up_at
FROM ledger.venue_outage AS outage
INNER JOIN market.venue AS venue ON outage.venue_id = venue.venue_id
INNER JOIN ledger.gap AS gap ON outage.outage_id = gap.outage_id
WHERE
    venue.name = %(venue)s
    AND outage.withdrawn_at IS NOT NULL
    AND gap.dataset = %(dataset)s
    AND gap.closed_at IS NULL
ORDER BY gap.instrument_id, gap.span_start
