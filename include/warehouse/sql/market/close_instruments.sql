-- Marks some instruments as gone, each at its own end; leans on instrument_pkey.
UPDATE market.instrument AS closed SET
    status = 'DELISTED',
    delisted_at = coalesce(closed.delisted_at, gone.ended_at),
    valid_during = closed.valid_during * tstzrange(NULL, gone.ended_at),
    recorded_at = now()
FROM unnest(%(instrument_ids)s::integer[], %(ended_at)s::timestamptz[]) AS gone (instrument_id, ended_at)
WHERE closed.instrument_id = gone.instrument_id
