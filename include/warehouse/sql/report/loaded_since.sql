-- Adds up the 1m candles stored since an instant; leans on load_by_dataset.
SELECT coalesce(sum(rows_inserted), 0)::bigint AS stored
FROM ledger.load
WHERE dataset = 'candle_1m' AND recorded_at > %(since)s
