-- Lets an alias begin at an instant unless it begins later, and the instrument's symbol with it;
-- leans on instrument_alias_pkey and instrument_pkey.
WITH begun AS (
    UPDATE market.instrument_alias SET
        valid_during = valid_during * tstzrange(%(at)s, NULL)
    WHERE alias_id = %(alias_id)s AND NOT (valid_during &> tstzrange(%(at)s, NULL))
    RETURNING instrument_id, symbol
)

UPDATE market.instrument AS named SET
    valid_during = named.valid_during * tstzrange(%(at)s, NULL),
    recorded_at = now()
FROM begun
WHERE named.instrument_id = begun.instrument_id AND named.symbol = begun.symbol
