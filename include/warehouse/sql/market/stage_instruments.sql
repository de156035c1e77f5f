-- Sets the venue's list beside the instruments its symbols name now; leans on alias_by_symbol.
CREATE TEMPORARY TABLE instrument_listed ON COMMIT DROP AS
SELECT
    known.instrument_id,
    listed.symbol,
    base.asset_id AS base_asset_id,
    quote.asset_id AS quote_asset_id,
    listed.kind,
    listed.status,
    listed.tick_size::numeric AS tick_size,
    listed.lot_size::numeric AS lot_size,
    listed.listed_at,
    listed.delisted_at
FROM
    unnest(
        %(symbol)s::text[], %(base_asset)s::text[], %(quote_asset)s::text[], %(kind)s::text[],
        %(status)s::text[], %(tick_size)s::text[], %(lot_size)s::text[],
        %(listed_at)s::timestamptz[], %(delisted_at)s::timestamptz[]
    ) AS listed (
        symbol, base_asset, quote_asset, kind, status, tick_size, lot_size, listed_at, delisted_at
    )
INNER JOIN market.asset AS base ON listed.base_asset = base.code
INNER JOIN market.asset AS quote ON listed.quote_asset = quote.code
LEFT JOIN (
    SELECT
        alias.symbol,
        instrument.instrument_id,
        instrument.kind,
        instrument.base_asset_id,
        instrument.quote_asset_id
    FROM market.instrument_alias AS alias
    INNER JOIN market.instrument AS instrument ON alias.instrument_id = instrument.instrument_id
    WHERE alias.venue_id = %(venue_id)s AND upper_inf(alias.valid_during)
) AS known
    ON
        listed.symbol = known.symbol
        AND listed.kind = known.kind
        AND base.asset_id = known.base_asset_id
        AND quote.asset_id = known.quote_asset_id
