-- Locks and lists the open gaps of some series that meet some spans; leans on gap_open.
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
    AND instrument_id = ANY(%(instrument_ids)s::integer[])
    AND closed_at IS NULL
    AND span_start < upper(%(spans)s::tstzmultirange)
    AND span_end > lower(%(spans)s::tstzmultirange)
    AND tstzrange(span_start, span_end) && %(spans)s::tstzmultirange
ORDER BY instrument_id, span_start
FOR UPDATE
