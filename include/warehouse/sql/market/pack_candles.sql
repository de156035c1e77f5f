-- Packs the columns of an ordered query into one row of arrays, in that order; a null becomes what
-- stands for absent in a candle frame. Leans on what the query leans on.
SELECT
    array_send(array_agg(open_time)),
    array_send(array_agg(open)),
    array_send(array_agg(high)),
    array_send(array_agg(low)),
    array_send(array_agg(close)),
    array_send(array_agg(volume)),
    array_send(array_agg(coalesce(quote_volume, 'NaN'))),
    array_send(array_agg(coalesce(taker_buy_volume, 'NaN'))),
    array_send(array_agg(coalesce(taker_buy_quote_volume, 'NaN'))),
    array_send(array_agg(coalesce(trade_count, -1)))
FROM ({candles}) AS candles
