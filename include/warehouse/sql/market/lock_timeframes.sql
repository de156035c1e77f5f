-- Lets one session at a time say which timeframes there are; leans on no index.
SELECT pg_advisory_xact_lock(hashtextextended('candlewick timeframes', 0))
