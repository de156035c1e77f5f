-- Lists by which way each candle of a span came; leans on the candles' primary key and prunes by
-- month.
SELECT
    open_time,
    source
FROM {table}
WHERE
    instrument_id = %(instrument_id)s
    AND open_time >= %(span_start)s
    AND open_time < %(span_end)s
ORDER BY open_time
