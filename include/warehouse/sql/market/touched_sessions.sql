-- Lists the sessions of instruments that meet some spans; leans on instrument_pkey and
-- session_opens_once.
SELECT DISTINCT
    instrument.instrument_id,
    session.session_id,
    session.opens_at,
    session.closes_at
FROM unnest(
    %(instrument_ids)s::integer[], %(span_starts)s::timestamptz[], %(span_ends)s::timestamptz[]
) AS told (instrument_id, span_start, span_end)
INNER JOIN market.instrument AS instrument ON told.instrument_id = instrument.instrument_id
INNER JOIN market.session AS session
    ON
        instrument.venue_id = session.venue_id
        AND session.opens_at < told.span_end
        AND session.closes_at > told.span_start
ORDER BY 1, 3
