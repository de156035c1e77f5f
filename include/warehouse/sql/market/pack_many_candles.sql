-- Packs the columns of an ordered query of many series into one row, as pack_candles does, and with
-- them whose each candle is and how many children it has; leans on what the query leans on.
SELECT
    string_agg(int4send(instrument_id), ''),
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
    string_agg(int8send((coalesce(trade_count, -1) << 16) | flags), ''),
    string_agg(int4send((children_present << 16) | children_expected), '')
FROM ({candles}) AS candles
