-- Reads one span of many series, by instrument and time; leans on the candles' primary key and prunes
-- by month.
SELECT
    instrument_id,
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
    flags,
    {children}
FROM {table}
WHERE
    instrument_id = ANY({instrument_ids}::integer[])
    AND open_time >= {span_start}
    AND open_time < {span_end}
ORDER BY instrument_id, open_time
