-- Reads one series in order of time; leans on the candles' primary key and prunes by month.
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
FROM {table}
WHERE
    instrument_id = %(instrument_id)s
    AND open_time >= {span_start}
    AND open_time < {span_end}
ORDER BY open_time
