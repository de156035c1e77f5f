-- Tells whether an instrument has a minute without trades stored; leans on the candles' primary key.
SELECT EXISTS (
    SELECT FROM market.candle_1m
    WHERE
        instrument_id = %(instrument_id)s
        AND open_time >= %(span_start)s
        AND open_time < %(span_end)s
        AND volume = 0
)
