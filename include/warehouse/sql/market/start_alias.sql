-- Gives an instrument its new symbol from an instant on; leans on alias_names_one_instrument.
WITH renamed AS (
    UPDATE market.instrument SET
        symbol = %(new)s,
        valid_during = tstzrange(%(renamed_at)s, NULL),
        recorded_at = now()
    WHERE instrument_id = %(instrument_id)s
    RETURNING instrument_id, venue_id, symbol
)

INSERT INTO market.instrument_alias (instrument_id, venue_id, symbol, valid_during)
SELECT instrument_id, venue_id, symbol, tstzrange(%(renamed_at)s, NULL) FROM renamed
