-- Adds up the differences between sources that last, by series and kind; leans on
-- reconciliation_open.
SELECT
    venue.name,
    instrument.symbol,
    difference.timeframe,
    difference.left_source,
    difference.right_source,
    difference.kind,
    count(*) AS candles,
    max(difference.open_time) AS newest
FROM ledger.reconciliation AS difference
INNER JOIN market.instrument AS instrument ON difference.instrument_id = instrument.instrument_id
INNER JOIN market.venue AS venue ON instrument.venue_id = venue.venue_id
WHERE difference.gone_at IS NULL
GROUP BY
    venue.name, instrument.symbol, difference.timeframe, difference.left_source,
    difference.right_source, difference.kind
ORDER BY candles DESC, newest DESC, venue.name, instrument.symbol, difference.timeframe
LIMIT %(most)s
