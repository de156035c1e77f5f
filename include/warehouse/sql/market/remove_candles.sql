-- Takes computed candles away that nothing is left of; leans on the candles' primary key.
SELECT
    market.remove_candles(
        %(timeframe)s, %(instrument_ids)s::integer[], %(open_times)s::timestamptz[], %(load_id)s
    )
