-- Locks and lists the open gaps of one series that meet a span; leans on gap_open.
SELECT
    gap_id,
    instrument_id,
    span_start,
    span_end,
    reason,
    attempts,
    next_attempt_at,
    proof,
    found_at,
    outage_id,
    given_up_at
FROM ledger.gap
WHERE
    dataset = %(dataset)s
    AND instrument_id = %(instrument_id)s
    AND closed_at IS NULL
    AND span_start < %(span_end)s
    AND span_end > %(span_start)s
ORDER BY span_start
FOR UPDATE
