-- Enters new instruments with their aliases and counts them. An instrument never seen before is
-- taken to have borne its symbol since the day it was listed, or ever; one that follows another
-- since that one ended. Leans on instrument_one_per_symbol and alias_names_one_instrument.
WITH fresh AS (
    INSERT INTO market.instrument (
        venue_id, symbol, base_asset_id, quote_asset_id, kind, status, tick_size, lot_size,
        funding_interval_ms, listed_at, delisted_at, valid_during
    )
    SELECT
        %(venue_id)s,
        listed.symbol,
        listed.base_asset_id,
        listed.quote_asset_id,
        listed.kind,
        listed.status,
        listed.tick_size,
        listed.lot_size,
        listed.funding_interval_ms,
        listed.listed_at,
        listed.delisted_at,
        tstzrange(greatest(former.ended_at, date_trunc('day', listed.listed_at, 'UTC')), NULL)
    FROM pg_temp.instrument_listed AS listed
    LEFT JOIN LATERAL (
        SELECT max(upper(alias.valid_during)) AS ended_at
        FROM market.instrument_alias AS alias
        WHERE alias.venue_id = %(venue_id)s AND alias.symbol = listed.symbol
    ) AS former ON true
    WHERE listed.instrument_id IS NULL
    ORDER BY listed.symbol
    RETURNING instrument_id, venue_id, symbol, valid_during
),

named AS (
    INSERT INTO market.instrument_alias (instrument_id, venue_id, symbol, valid_during)
    SELECT instrument_id, venue_id, symbol, valid_during FROM fresh
)

SELECT count(*) FROM fresh
