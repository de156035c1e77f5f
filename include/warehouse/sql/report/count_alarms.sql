-- Counts drift alarms by the UTC day their window ended and measure; leans on drift_verdict_window.
SELECT
    (window_end AT TIME ZONE 'UTC')::date AS day,
    measure,
    count(*) AS alarms
FROM ledger.drift_verdict
WHERE window_end >= %(since)s AND window_end < %(until)s AND alarm
GROUP BY day, measure
