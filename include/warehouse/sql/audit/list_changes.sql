-- Lists per series and month when it last changed; reads the whole of ledger.change.
SELECT
    change.dataset,
    change.instrument_id,
    month.start,
    max(change.recorded_at)
FROM ledger.change
CROSS JOIN LATERAL (
    SELECT start
    FROM generate_series(
        date_trunc('month', change.span_start, 'UTC'), change.span_end, interval '1 month', 'UTC'
    ) AS start
    WHERE start < change.span_end
) AS month
WHERE change.dataset = ANY(%(datasets)s)
GROUP BY 1, 2, 3
