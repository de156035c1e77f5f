-- Moves a landing to checked or held; leans on landing_pkey.
UPDATE ledger.landing SET
    state = %(state)s,
    clean_path = %(clean_path)s,
    rows = %(rows)s,
    verdict = %(results)s,
    checked_at = clock_timestamp()
WHERE landing_id = %(landing_id)s
