-- Reads one series as it stood at an instant; the function folds into this query, so that it leans
-- on the primary keys of the candles and of candle_revision.
SELECT
    open_time,
    open,
    high,
    low,
    close,
    volume,
    quote_volume,
    taker_buy_volume,
    taker_buy_quote_volume,
    trade_count,
    flags
FROM market.candle_as_of(%(timeframe)s, %(at)s)
WHERE
    instrument_id = %(instrument_id)s
    AND open_time >= {span_start}
    AND open_time < {span_end}
ORDER BY open_time
