-- Lists the open gaps of one series from an instant on; leans on gap_open.
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
    AND span_start >= %(start)s
ORDER BY span_start
