-- Starts the last version of some instruments that have gone; leans on instrument_pkey.
INSERT INTO market.instrument_history (instrument_id, valid_during, status, tick_size, lot_size)
SELECT instrument_id, tstzrange(%(ended_at)s, NULL), status, tick_size, lot_size
FROM market.instrument
WHERE instrument_id = ANY(%(instrument_ids)s)
ORDER BY instrument_id
