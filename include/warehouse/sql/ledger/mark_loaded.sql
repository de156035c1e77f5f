-- Moves a landing to loaded; leans on landing_pkey.
UPDATE ledger.landing SET
    state = 'loaded',
    load_id = %(load_id)s,
    loaded_at = clock_timestamp()
WHERE landing_id = %(landing_id)s
