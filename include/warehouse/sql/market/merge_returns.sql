-- Stores the returns of sessions that are new or differ and files a change for each; leans on
-- session_return_pkey and session_pkey.
WITH written AS (
    INSERT INTO market.session_return AS stored (
        instrument_id, session_id, {values}, load_id, recorded_at
    )
    SELECT
        instrument_id,
        session_id,
        {values},
        %(load_id)s,
        %(recorded_at)s
    FROM {batch}
    ORDER BY instrument_id, session_id
    ON CONFLICT (instrument_id, session_id) DO UPDATE SET
        ({values}, load_id, recorded_at)
        = ROW({excluded}, EXCLUDED.load_id, EXCLUDED.recorded_at)
    WHERE ({stored}) IS DISTINCT FROM ({excluded})
    RETURNING stored.instrument_id, stored.session_id, old.instrument_id IS NULL AS is_new
)

INSERT INTO ledger.change (dataset, instrument_id, span_start, span_end, reason, load_id)
SELECT
    'session_return',
    written.instrument_id,
    session.opens_at,
    session.closes_at,
    CASE WHEN written.is_new THEN 'new' ELSE 'revised' END,
    %(load_id)s
FROM written
INNER JOIN market.session AS session ON written.session_id = session.session_id
ORDER BY written.instrument_id, session.opens_at
