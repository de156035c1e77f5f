-- Starts a version for every listed instrument that has none open; leans on alias_by_symbol and
-- history_instrument.
INSERT INTO market.instrument_history (
    instrument_id, valid_during, status, tick_size, lot_size, funding_interval_ms
)
SELECT
    known.instrument_id,
    tstzrange(%(observed_at)s, NULL),
    known.status,
    known.tick_size,
    known.lot_size,
    known.funding_interval_ms
FROM pg_temp.instrument_listed AS listed
INNER JOIN market.instrument_alias AS alias
    ON
        listed.symbol = alias.symbol
        AND alias.venue_id = %(venue_id)s
        AND upper_inf(alias.valid_during)
INNER JOIN market.instrument AS known ON alias.instrument_id = known.instrument_id
WHERE NOT EXISTS (
    SELECT FROM market.instrument_history AS version
    WHERE version.instrument_id = known.instrument_id AND upper_inf(version.valid_during)
)
ORDER BY known.instrument_id
