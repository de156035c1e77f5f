-- Counts the returns of a batch, those new, those that differ from what is stored, and tells the
-- time they span; leans on session_return_pkey and session_pkey.
SELECT
    count(*),
    count(*) FILTER (WHERE stored.session_id IS NULL),
    count(*) FILTER (
        WHERE stored.session_id IS NOT NULL AND ({stored}) IS DISTINCT FROM ({told})
    ),
    min(session.opens_at),
    max(session.closes_at)
FROM {batch}
INNER JOIN market.session AS session ON told.session_id = session.session_id
LEFT JOIN market.session_return AS stored
    ON
        told.instrument_id = stored.instrument_id
        AND told.session_id = stored.session_id
