-- Lists the newest replaced candles of a span that came by one way, e.g. the stream; leans on
-- candle_revision_pkey.
SELECT DISTINCT ON (open_time)
    open_time,
    open,
    high,
    low,
    close,
    volume,
    quote_volume,
    taker_buy_volume,
    taker_buy_quote_volume,
    trade_count
FROM market.candle_revision
WHERE
    timeframe = %(timeframe)s
    AND instrument_id = %(instrument_id)s
    AND open_time >= %(span_start)s
    AND open_time < %(span_end)s
    AND source = %(source)s
ORDER BY open_time, revision DESC
