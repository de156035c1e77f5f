-- Gives the first day of which the ledger says anything; leans on coverage_pkey and gap_open, and
-- reads the whole of both, which are small.
SELECT (least(
    (SELECT min(lower(covered)) FROM ledger.coverage WHERE dataset = 'candle_1m'),
    (
        SELECT min(span_start) FROM ledger.gap
        WHERE
            dataset = 'candle_1m' AND closed_at IS NULL
            AND reason NOT IN ('pre_listing', 'delisted')
    )
) AT TIME ZONE 'UTC')::date AS first_day
