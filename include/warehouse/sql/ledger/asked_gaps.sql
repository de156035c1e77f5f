-- Lists the open gaps of a venue that it was asked for, unexplained or by silence; leans on
-- gap_unexplained and gap_open. Of the many minutes in which nothing was traded only those are among
-- them that could be something else: long ones, and those in which no trade is expected.
WITH owner AS MATERIALIZED (
    SELECT
        instrument.instrument_id,
        CASE
            WHEN %(unexplained_only)s THEN '{}'
            ELSE market.expected_span(
                instrument.instrument_id, tstzrange(%(span_start)s, %(span_end)s)
            )
        END AS expected
    FROM market.instrument AS instrument
    INNER JOIN market.venue AS venue ON instrument.venue_id = venue.venue_id
    WHERE venue.name = %(venue)s
)

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
INNER JOIN owner ON gap.instrument_id = owner.instrument_id
WHERE
    gap.dataset = %(dataset)s
    AND gap.closed_at IS NULL
    AND gap.span_start < %(span_end)s
    AND gap.span_end > %(span_start)s
    AND (
        gap.reason IN ('fetch_failed', 'disconnected', 'depth_exhausted', 'unknown')
        OR (
            NOT %(unexplained_only)s
            AND gap.proof ? 'asked'
            AND (
                gap.reason IN ('outage', 'unpublished')
                OR (
                    gap.reason = 'no_trade'
                    AND (
                        gap.span_end - gap.span_start >= %(least_quiet)s
                        OR NOT owner.expected @> tstzrange(gap.span_start, gap.span_end)
                    )
                )
            )
        )
    )
ORDER BY gap.instrument_id, gap.span_start
