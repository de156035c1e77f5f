-- Ends the newest version of some instruments, when that was learnt; leans on history_instrument.
UPDATE market.instrument_history SET
    valid_during = valid_during * tstzrange(NULL, %(observed_at)s)
WHERE
    instrument_id = ANY(%(instrument_ids)s)
    AND upper_inf(valid_during)
    AND lower(valid_during) < %(observed_at)s
