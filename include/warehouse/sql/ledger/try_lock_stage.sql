-- What lock_stage does, for one who does not wait: tells whether the stage is free and now held.
-- Leans on no index.
SELECT
    pg_try_advisory_xact_lock(hashtextextended('candlewick stage ' || %(stage)s::text, 0))
