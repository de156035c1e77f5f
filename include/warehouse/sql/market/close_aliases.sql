-- Ends the aliases in use of some instruments; leans on alias_instrument.
UPDATE market.instrument_alias SET
    valid_during = valid_during * tstzrange(NULL, %(ended_at)s)
WHERE instrument_id = ANY(%(instrument_ids)s) AND upper_inf(valid_during)
