-- Counts the rows of each instrument in a window; leans on the table's primary key.
SELECT
    stored.instrument_id,
    count(*)
FROM {table} AS stored
WHERE stored.{time} >= %(from_time)s AND stored.{time} < %(to_time)s
GROUP BY stored.instrument_id
ORDER BY stored.instrument_id
