-- Lists the last revision of withdrawn candles of a timeframe within a span; leans on
-- candle_revision_withdrawn.
SELECT
    instrument_id,
    (extract(epoch FROM open_time) * 1000000)::bigint,
    max(revision)
FROM market.candle_revision
WHERE
    withdrawn_by IS NOT NULL
    AND timeframe = %(timeframe)s
    AND open_time >= %(from_time)s
    AND open_time < %(to_time)s
GROUP BY instrument_id, open_time
