-- Moves many landings to loaded; leans on landing_pkey.
UPDATE ledger.landing SET
    state = 'loaded',
    load_id = told.load_id,
    loaded_at = clock_timestamp()
FROM unnest(%(landing_ids)s::bigint[], %(load_ids)s::bigint[]) AS told (landing_id, load_id)
WHERE landing.landing_id = told.landing_id
