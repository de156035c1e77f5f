-- Part of weigh_returns and merge_returns: the batch itself; leans on no index.
unnest(
    %(instrument_ids)s::integer[], %(session_ids)s::bigint[], %(open_price)s::float8[],
    %(close_price)s::float8[], %(log_return)s::float8[], %(realised_variance)s::float8[],
    %(vwap)s::float8[], %(candles_present)s::integer[], %(candles_expected)s::integer[]
) AS told (
    instrument_id, session_id, open_price, close_price, log_return, realised_variance, vwap,
    candles_present, candles_expected
)
