-- Gives an instrument the symbol it bore until an instant, and forgets its listing date: that was
-- of the later name. Leans on alias_names_one_instrument and instrument_pkey.
WITH named AS (
    INSERT INTO market.instrument_alias (instrument_id, venue_id, symbol, valid_during)
    SELECT
        instrument_id,
        venue_id,
        %(old)s,
        tstzrange(NULL, %(at)s)
    FROM market.instrument
    WHERE instrument_id = %(instrument_id)s
    RETURNING instrument_id
)

UPDATE market.instrument AS renamed SET
    listed_at = NULL,
    recorded_at = now()
FROM named
WHERE renamed.instrument_id = named.instrument_id
