-- Keeps what a venue states of its symbols, writing only what differs; leans on listing_pkey. A
-- name nobody could store is left out.
INSERT INTO market.listing AS known (
    venue_id, symbol, base_asset, quote_asset, kind, status, tick_size, lot_size,
    funding_interval_ms, listed_at, delisted_at, observed_at
)
SELECT DISTINCT ON (stated.symbol)
    venue.venue_id,
    stated.symbol,
    stated.base_asset,
    stated.quote_asset,
    stated.kind,
    stated.status,
    stated.tick_size,
    stated.lot_size,
    stated.funding_interval_ms,
    stated.listed_at,
    stated.delisted_at,
    %(observed_at)s::timestamptz
FROM
    unnest(
        %(symbol)s::text[], %(base_asset)s::text[], %(quote_asset)s::text[], %(kind)s::text[],
        %(status)s::text[], %(tick_size)s::text[], %(lot_size)s::text[],
        %(listed_at)s::timestamptz[], %(delisted_at)s::timestamptz[],
        %(funding_interval_ms)s::integer[]
    ) AS stated (
        symbol, base_asset, quote_asset, kind, status, tick_size, lot_size, listed_at, delisted_at,
        funding_interval_ms
    )
INNER JOIN market.venue AS venue ON venue.name = %(venue)s
WHERE stated.symbol ~ '^[^\s]{1,64}$'
ORDER BY stated.symbol
ON CONFLICT (venue_id, symbol) DO UPDATE SET
    base_asset = EXCLUDED.base_asset,
    quote_asset = EXCLUDED.quote_asset,
    kind = EXCLUDED.kind,
    status = EXCLUDED.status,
    tick_size = EXCLUDED.tick_size,
    lot_size = EXCLUDED.lot_size,
    funding_interval_ms = EXCLUDED.funding_interval_ms,
    listed_at = EXCLUDED.listed_at,
    delisted_at = EXCLUDED.delisted_at,
    observed_at = EXCLUDED.observed_at
WHERE
    known.observed_at < EXCLUDED.observed_at
    AND (
        known.base_asset, known.quote_asset, known.kind, known.status, known.tick_size,
        known.lot_size, known.funding_interval_ms, known.listed_at, known.delisted_at
    ) IS DISTINCT FROM (
        EXCLUDED.base_asset, EXCLUDED.quote_asset, EXCLUDED.kind, EXCLUDED.status,
        EXCLUDED.tick_size, EXCLUDED.lot_size, EXCLUDED.funding_interval_ms, EXCLUDED.listed_at,
        EXCLUDED.delisted_at
    )
