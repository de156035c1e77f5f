-- Lists the open gaps of a venue that it was asked for, unexplained or by silence; leans on
-- gap_unexplained and gap_open.
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
FROM ledger.gap AS gap
INNER JOIN market.instrument AS instrument ON gap.instrument_id = instrument.instrument_id
INNER JOIN market.venue AS venue ON instrument.venue_id = venue.venue_id
WHERE
    venue.name = %(venue)s
    AND gap.dataset = %(dataset)s
    AND gap.closed_at IS NULL
    AND gap.span_start < %(span_end)s
    AND gap.span_end > %(span_start)s
    AND (
        gap.reason IN ('fetch_failed', 'disconnected', 'depth_exhausted', 'unknown')
        OR (
            NOT %(unexplained_only)s
            AND gap.reason IN ('outage', 'no_trade', 'unpublished')
            AND gap.proof ? 'asked'
        )
    )
ORDER BY gap.instrument_id, gap.span_start
