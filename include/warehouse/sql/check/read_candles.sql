-- Reads the candles of some instruments in a window, with what is absent before each and how much
-- of that the ledger explains; leans on the table's primary key and gap_open.
SELECT
    candle.instrument_id,
    candle.open_time,
    candle.open,
    candle.high,
    candle.low,
    candle.close,
    candle.volume,
    candle.quote_volume,
    candle.taker_buy_volume,
    candle.taker_buy_quote_volume,
    candle.trade_count,
    candle.flags,
    candle.recorded_at,
    candle.end_before,
    CASE
        WHEN candle.open_time > candle.end_before
            THEN market.explained_children(
                candle.instrument_id,
                tstzrange(candle.end_before, candle.open_time),
                %(length)s::interval
            )
        ELSE 0
    END AS explained_before
FROM (
    SELECT
        stored.*,
        market.bucket_end(
            %(length)s::interval,
            lag(stored.open_time) OVER (PARTITION BY stored.instrument_id ORDER BY stored.open_time)
        ) AS end_before
    FROM {table} AS stored
    WHERE
        stored.instrument_id = ANY(%(instrument_ids)s)
        AND stored.open_time >= %(from_time)s
        AND stored.open_time < %(to_time)s
) AS candle
ORDER BY candle.instrument_id, candle.open_time
