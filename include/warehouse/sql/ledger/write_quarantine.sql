-- Stores one row the quality gate refused; leans on landing_pkey.
INSERT INTO ledger.quarantine (
    dataset, venue, symbol, open_time, payload, rule, detail, landing_id, verdict_id
)
SELECT
    dataset, venue, symbol, %(open_time)s::timestamptz, %(payload)s, %(rule)s, %(detail)s,
    landing_id, %(verdict_id)s
FROM ledger.landing
WHERE landing_id = %(landing_id)s
