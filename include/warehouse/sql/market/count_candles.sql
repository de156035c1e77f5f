-- Counts all candles of one table; leans on the smallest index of each month.
SELECT count(*) FROM {table}
