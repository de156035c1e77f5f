-- Lists since an instant the days on which two accounts of an instrument's candles differ, newest
-- first; leans on reconciliation_open.
SELECT DISTINCT date_trunc('day', open_time, 'UTC') AS day
FROM ledger.reconciliation
WHERE
    gone_at IS NULL
    AND instrument_id = %(instrument_id)s
    AND open_time >= %(since)s
ORDER BY day DESC
LIMIT %(most)s
