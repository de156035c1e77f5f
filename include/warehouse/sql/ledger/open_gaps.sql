-- Lists the open gaps of a dataset, all or those to be asked for again; leans on gap_open.
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
    AND closed_at IS NULL
    AND (
        %(due_at)s::timestamptz IS NULL
        OR next_attempt_at IS NULL
        OR next_attempt_at <= %(due_at)s::timestamptz
    )
    AND NOT (%(unexplained_only)s AND ledger.is_explained(reason))
ORDER BY instrument_id, span_start
