-- Reads the instruments that are valid now; leans on instrument_one_per_symbol, reads the whole of
-- a small table.
SELECT
    venue.name,
    instrument.symbol,
    base.code,
    quote.code,
    instrument.kind,
    instrument.status,
    instrument.tick_size::float8,
    instrument.lot_size::float8,
    instrument.listed_at,
    instrument.delisted_at
FROM market.instrument
INNER JOIN market.venue ON instrument.venue_id = venue.venue_id
INNER JOIN market.asset AS base ON instrument.base_asset_id = base.asset_id
INNER JOIN market.asset AS quote ON instrument.quote_asset_id = quote.asset_id
WHERE instrument.valid_during @> %(at)s::timestamptz
ORDER BY venue.name, instrument.symbol
