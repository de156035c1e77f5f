-- Locks and lists the open gaps that meet any of many spans, each of its own series; leans on
-- gap_open.
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
FROM ledger.gap AS gap
WHERE
    dataset = %(dataset)s
    AND instrument_id = ANY(%(instrument_ids)s::integer[])
    AND closed_at IS NULL
    AND EXISTS (
        SELECT
        FROM unnest(
            %(instrument_ids)s::integer[],
            %(span_starts)s::timestamptz[],
            %(span_ends)s::timestamptz[]
        ) AS part (instrument_id, span_start, span_end)
        WHERE
            part.instrument_id = gap.instrument_id
            AND gap.span_start < part.span_end
            AND gap.span_end > part.span_start
    )
ORDER BY instrument_id, span_start
FOR UPDATE
