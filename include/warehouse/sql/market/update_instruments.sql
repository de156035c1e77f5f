-- Brings known instruments to the newest statement unless theirs is as new; leans on
-- instrument_pkey and history_instrument.
UPDATE market.instrument AS known SET
    base_asset_id = listed.base_asset_id,
    status = listed.status,
    tick_size = listed.tick_size,
    lot_size = listed.lot_size,
    funding_interval_ms = listed.funding_interval_ms,
    listed_at = listed.listed_at,
    delisted_at = listed.delisted_at,
    recorded_at = now()
FROM pg_temp.instrument_listed AS listed
WHERE
    known.instrument_id = listed.instrument_id
    AND (
        known.base_asset_id, known.status, known.tick_size, known.lot_size,
        known.funding_interval_ms, known.listed_at, known.delisted_at
    ) IS DISTINCT FROM (
        listed.base_asset_id, listed.status, listed.tick_size, listed.lot_size,
        listed.funding_interval_ms, listed.listed_at, listed.delisted_at
    )
    AND NOT EXISTS (
        SELECT FROM market.instrument_history AS version
        WHERE
            version.instrument_id = known.instrument_id
            AND upper_inf(version.valid_during)
            AND lower(version.valid_during) >= %(observed_at)s
    )
