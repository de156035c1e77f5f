-- Ends the aliases in use of some instruments, each at its own end; leans on alias_instrument.
UPDATE market.instrument_alias AS alias SET
    valid_during = alias.valid_during * tstzrange(NULL, gone.ended_at)
FROM unnest(%(instrument_ids)s::integer[], %(ended_at)s::timestamptz[]) AS gone (instrument_id, ended_at)
WHERE alias.instrument_id = gone.instrument_id AND upper_inf(alias.valid_during)
