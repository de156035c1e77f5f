-- Drops the sessions within a span that the calendar does not state (any more), unless a return was
-- computed over one; leans on session_opens_once and session_return_session.
DELETE FROM market.session AS known
WHERE
    known.venue_id = %(venue_id)s
    AND known.opens_at >= %(span_start)s
    AND known.opens_at < %(span_end)s
    AND known.opens_at <> ALL(%(opens_at)s::timestamptz[])
    AND NOT EXISTS (
        SELECT FROM market.session_return AS computed
        WHERE computed.session_id = known.session_id
    )
