-- Marks some instruments as gone; leans on instrument_pkey.
UPDATE market.instrument SET
    status = 'DELISTED',
    delisted_at = coalesce(delisted_at, %(ended_at)s),
    valid_during = valid_during * tstzrange(NULL, %(ended_at)s),
    recorded_at = now()
WHERE instrument_id = ANY(%(instrument_ids)s)
