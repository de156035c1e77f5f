-- Ends an alias at an instant unless it ended before, and the instrument's symbol with it; leans on
-- instrument_alias_pkey and instrument_pkey.
WITH ended AS (
    UPDATE market.instrument_alias SET
        valid_during = valid_during * tstzrange(NULL, %(at)s)
    WHERE alias_id = %(alias_id)s AND NOT (valid_during &< tstzrange(NULL, %(at)s))
    RETURNING instrument_id, symbol
)

UPDATE market.instrument AS named SET
    valid_during = named.valid_during * tstzrange(NULL, %(at)s),
    recorded_at = now()
FROM ended
WHERE named.instrument_id = ended.instrument_id AND named.symbol = ended.symbol
