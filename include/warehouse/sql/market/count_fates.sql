-- Counts the judged rows by fate; reads the whole batch.
SELECT
    fate,
    count(*)
FROM pg_temp.judged_rows
GROUP BY fate
