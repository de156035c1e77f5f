-- Reads the trades of some instruments in a window, each with its distance to the one before and
-- how many ids between them are known to be holes; leans on trade_pkey and gap_open.
SELECT
    trade.instrument_id,
    trade.trade_time,
    trade.trade_id,
    trade.price,
    trade.quantity,
    trade.time_before,
    trade.id_before,
    venue.name
FROM (
    SELECT
        stored.instrument_id,
        stored.trade_time,
        stored.trade_id,
        stored.price,
        stored.quantity,
        lag(stored.trade_time) OVER by_id AS time_before,
        lag(stored.trade_id) OVER by_id AS id_before
    FROM market.trade AS stored
    WHERE
        stored.instrument_id = ANY(%(instrument_ids)s)
        AND stored.trade_time >= %(from_time)s
        AND stored.trade_time < %(to_time)s
    WINDOW by_id AS (PARTITION BY stored.instrument_id ORDER BY stored.trade_id)
) AS trade
INNER JOIN market.instrument ON trade.instrument_id = instrument.instrument_id
INNER JOIN market.venue ON instrument.venue_id = venue.venue_id
ORDER BY trade.instrument_id, trade.trade_id
