-- Sets the venue's list beside the instruments its symbols name now; leans on alias_by_symbol,
-- history_instrument and action_successor_id. A symbol that is listed later than its instrument
-- ended names another one. An instrument that was renamed takes the base asset its new name states
-- first, and keeps the listing of its first name.
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
    listed.funding_interval_ms,
    CASE WHEN known.action_id IS NULL THEN listed.listed_at ELSE known.listed_at END AS listed_at,
    listed.delisted_at,
    listed.listed_at AS named_at,
    listed.listing_inferred,
    known.action_id
FROM
    unnest(
        %(symbol)s::text[], %(base_asset)s::text[], %(quote_asset)s::text[], %(kind)s::text[],
        %(status)s::text[], %(tick_size)s::text[], %(lot_size)s::text[],
        %(listed_at)s::timestamptz[], %(delisted_at)s::timestamptz[],
        %(funding_interval_ms)s::integer[], %(listing_inferred)s::boolean[]
    ) AS listed (
        symbol, base_asset, quote_asset, kind, status, tick_size, lot_size, listed_at, delisted_at,
        funding_interval_ms, listing_inferred
    )
INNER JOIN market.asset AS base ON listed.base_asset = base.code
INNER JOIN market.asset AS quote ON listed.quote_asset = quote.code
LEFT JOIN (
    SELECT
        alias.symbol,
        instrument.instrument_id,
        instrument.kind,
        instrument.base_asset_id,
        instrument.quote_asset_id,
        instrument.listed_at,
        action.action_id,
        action.action_id IS NOT NULL AND action.base_asset_id IS NULL AS takes_base_asset,
        least(
            instrument.delisted_at,
            CASE WHEN state.absence = 'delisted' THEN lower(version.valid_during) END
        ) AS ended_at
    FROM market.instrument_alias AS alias
    INNER JOIN market.instrument AS instrument ON alias.instrument_id = instrument.instrument_id
    LEFT JOIN market.instrument_history AS version
        ON
            instrument.instrument_id = version.instrument_id
            AND upper_inf(version.valid_during)
    LEFT JOIN market.trading_state AS state ON version.status = state.status
    LEFT JOIN LATERAL (
        SELECT
            renamed.action_id,
            renamed.base_asset_id
        FROM market.corporate_action AS renamed
        WHERE
            renamed.successor_id = instrument.instrument_id
            AND renamed.instrument_id = renamed.successor_id
            AND renamed.new_symbol = alias.symbol
            AND renamed.old_symbol <> renamed.new_symbol
        ORDER BY renamed.effective_at DESC
        LIMIT 1
    ) AS action ON true
    WHERE alias.venue_id = %(venue_id)s AND upper_inf(alias.valid_during)
) AS known
    ON
        listed.symbol = known.symbol
        AND listed.kind = known.kind
        AND quote.asset_id = known.quote_asset_id
        AND (
            known.takes_base_asset
            OR (
                base.asset_id = known.base_asset_id
                AND (NOT listed.listing_inferred AND listed.listed_at > known.ended_at) IS NOT TRUE
            )
        )
