-- Reads a span each of many series, by instrument and time; leans on the candles' primary key and
-- prunes by month.
SELECT
    stored.instrument_id,
    stored.open_time,
    stored.open,
    stored.high,
    stored.low,
    stored.close,
    stored.volume,
    stored.quote_volume,
    stored.taker_buy_volume,
    stored.taker_buy_quote_volume,
    stored.trade_count,
    stored.flags,
    {children}
FROM unnest(
    %(instrument_ids)s::integer[], %(span_starts)s::timestamptz[], %(span_ends)s::timestamptz[]
) AS asked (instrument_id, span_start, span_end)
INNER JOIN {table} AS stored
    ON
        asked.instrument_id = stored.instrument_id
        AND stored.open_time >= asked.span_start
        AND stored.open_time < asked.span_end
        AND stored.open_time >= %(from_time)s
        AND stored.open_time < %(to_time)s
ORDER BY stored.instrument_id, stored.open_time
