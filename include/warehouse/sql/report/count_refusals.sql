-- Counts refused rows by UTC day and rule, those since taken by a later load left out; leans on
-- quarantine_refused_at.
SELECT
    (recorded_at AT TIME ZONE 'UTC')::date AS day,
    rule,
    count(*) AS refused
FROM ledger.quarantine
WHERE recorded_at >= %(since)s AND recorded_at < %(until)s AND state <> 'released'
GROUP BY day, rule
