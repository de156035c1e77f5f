-- Counts the judged rows by fate; reads the whole batch.
SELECT
    fate,
    count(*)
FROM pg_temp.candle_judged
GROUP BY fate
