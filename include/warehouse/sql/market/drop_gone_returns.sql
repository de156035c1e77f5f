-- Drops the returns of sessions that were judged again and have none any more; leans on
-- session_return_pkey.
DELETE FROM market.session_return AS stored
USING unnest(%(instrument_ids)s::integer[], %(session_ids)s::bigint[])
    AS told (instrument_id, session_id), market.session AS session
WHERE
    stored.instrument_id = told.instrument_id
    AND stored.session_id = told.session_id
    AND session.session_id = told.session_id
RETURNING
    stored.instrument_id,
    session.opens_at,
    session.closes_at
