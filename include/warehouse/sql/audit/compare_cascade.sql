-- Holds the candles of one month against their finer ones; leans on both primary keys, coverage_pkey
-- and change_by_xid.
SELECT
    instrument_id,
    open_time,
    close_time,
    detail
FROM market.cascade_difference(%(timeframe)s, %(from_time)s, %(to_time)s)
ORDER BY instrument_id, open_time
LIMIT %(limit)s
