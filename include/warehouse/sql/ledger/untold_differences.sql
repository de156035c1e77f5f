-- Counts a venue's differences in force that nobody was told of, by series, accounts and kind; leans
-- on reconciliation_open and instrument_pkey.
SELECT
    array_agg(difference.reconciliation_id ORDER BY difference.reconciliation_id),
    venue.name || ' ' || instrument.symbol,
    difference.timeframe,
    difference.left_source,
    difference.right_source,
    difference.kind,
    min(difference.open_time),
    count(*)
FROM ledger.reconciliation AS difference
INNER JOIN market.instrument AS instrument USING (instrument_id)
INNER JOIN market.venue AS venue USING (venue_id)
WHERE
    venue.name = %(venue)s
    AND difference.gone_at IS NULL
    AND difference.told_at IS NULL
GROUP BY 2, 3, 4, 5, 6
ORDER BY 7, 2, 3, 4, 5, 6
