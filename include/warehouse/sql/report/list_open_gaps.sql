-- Lists the longest gaps nobody has explained, and how many there are; leans on gap_open.
SELECT
    venue.name,
    instrument.symbol,
    gap.span_start,
    gap.span_end,
    gap.reason,
    gap.attempts,
    gap.found_at,
    gap.next_attempt_at,
    gap.given_up_at,
    count(*) OVER () AS found
FROM ledger.gap AS gap
INNER JOIN market.instrument AS instrument ON gap.instrument_id = instrument.instrument_id
INNER JOIN market.venue AS venue ON instrument.venue_id = venue.venue_id
WHERE
    gap.dataset = 'candle_1m'
    AND gap.closed_at IS NULL
    AND NOT ledger.is_explained(gap.reason)
ORDER BY gap.span_end - gap.span_start DESC, gap.span_start, venue.name, instrument.symbol
LIMIT %(most)s
