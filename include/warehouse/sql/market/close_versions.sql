-- Ends the newest version of some instruments; leans on history_instrument.
UPDATE market.instrument_history SET
    valid_during = valid_during * tstzrange(NULL, %(ended_at)s)
WHERE instrument_id = ANY(%(instrument_ids)s) AND upper_inf(valid_during)
