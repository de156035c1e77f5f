-- Reads what the venue last stated of some of its symbols; leans on alias_by_symbol.
SELECT
    alias.symbol,
    base.code AS base_asset,
    quote.code AS quote_asset,
    instrument.kind,
    instrument.status,
    instrument.tick_size::text AS tick_size,
    instrument.lot_size::text AS lot_size,
    instrument.listed_at,
    instrument.delisted_at,
    instrument.funding_interval_ms
FROM market.instrument_alias AS alias
INNER JOIN market.venue AS venue ON alias.venue_id = venue.venue_id
INNER JOIN market.instrument AS instrument ON alias.instrument_id = instrument.instrument_id
INNER JOIN market.asset AS base ON instrument.base_asset_id = base.asset_id
INNER JOIN market.asset AS quote ON instrument.quote_asset_id = quote.asset_id
WHERE
    venue.name = %(venue)s
    AND alias.symbol = ANY(%(symbols)s)
    AND upper_inf(alias.valid_during)
ORDER BY alias.symbol
