-- Starts the last version of some instruments that have gone; leans on instrument_pkey and
-- history_instrument.
INSERT INTO market.instrument_history (
    instrument_id, valid_during, status, tick_size, lot_size, funding_interval_ms
)
SELECT
    gone.instrument_id,
    tstzrange(%(observed_at)s, NULL),
    gone.status,
    gone.tick_size,
    gone.lot_size,
    gone.funding_interval_ms
FROM market.instrument AS gone
WHERE
    gone.instrument_id = ANY(%(instrument_ids)s)
    AND NOT EXISTS (
        SELECT FROM market.instrument_history AS version
        WHERE version.instrument_id = gone.instrument_id AND upper_inf(version.valid_during)
    )
ORDER BY gone.instrument_id
