-- Part of judge_rows: which times whole loads of the batch's own series have confirmed that outrank
-- the batch, or came later from an equal; leans on load_by_symbol and source_pkey.
CROSS JOIN (
    SELECT
        range_agg(tstzrange(whole.span_start, whole.span_end)) FILTER (
            WHERE way.rank < %(rank)s
        ) AS outranking,
        range_agg(tstzrange(whole.span_start, whole.span_end)) FILTER (
            WHERE way.rank = %(rank)s AND whole.observed_at > %(observed_at)s::timestamptz
        ) AS superseding
    FROM ledger.load AS whole
    INNER JOIN market.source AS way ON whole.source = way.name
    WHERE
        whole.dataset = %(dataset)s
        AND whole.venue = %(venue)s
        AND whole.symbol = %(symbol)s
        AND whole.span_start < %(span_end)s
        AND whole.span_end > %(span_start)s
        AND whole.confirms_span
) AS confirmed
