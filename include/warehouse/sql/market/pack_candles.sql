-- Packs the columns of an ordered query into one row of arrays, in that order; leans on what the
-- query leans on.
SELECT
    array_send(array_agg(open_time)),
    array_send(array_agg(open)),
    array_send(array_agg(high)),
    array_send(array_agg(low)),
    array_send(array_agg(close)),
    array_send(array_agg(volume)),
    array_send(array_agg(quote_volume)),
    array_send(array_agg(taker_buy_volume)),
    array_send(array_agg(taker_buy_quote_volume)),
    array_send(array_agg(trade_count))
FROM ({candles}) AS candles
