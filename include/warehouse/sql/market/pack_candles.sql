-- Packs the columns of an ordered query into one row, every value as its bytes in that order; a null
-- becomes what stands for absent in a candle frame. Four doubles travel as one line segment, whose
-- binary form they are: half as many calls per row. The flags are the lowest 16 bits of the number
-- whose others count the trades. Leans on what the query leans on.
SELECT
    string_agg(timestamptz_send(open_time), ''),
    string_agg(lseg_send(lseg(point(open, high), point(low, close))), ''),
    string_agg(
        lseg_send(
            lseg(
                point(volume, coalesce(quote_volume, 'NaN')),
                point(coalesce(taker_buy_volume, 'NaN'), coalesce(taker_buy_quote_volume, 'NaN'))
            )
        ),
        ''
    ),
    string_agg(int8send((coalesce(trade_count, -1) << 16) | flags), '')
FROM ({candles}) AS candles
