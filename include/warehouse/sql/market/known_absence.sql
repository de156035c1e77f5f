-- Lists when nothing of an instrument can have traded, within a span, and what that rests on; leans
-- on instrument_pkey, history_instrument, action_instrument_id and session_opens_once.
SELECT
    lower(absent) AS absent_from,
    upper(absent) AS absent_to,
    reason,
    proof
FROM market.known_absence(%(instrument_id)s, tstzrange(%(span_start)s, %(span_end)s))
ORDER BY 1, 2, 3
