-- Lets one run of a stage work at a time; an advisory lock, because a row lock would assign a
-- transaction id and hold back every cursor. Leans on no index.
SELECT pg_advisory_xact_lock(hashtextextended('candlewick stage ' || %(stage)s::text, 0))
