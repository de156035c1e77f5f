-- Lists how the minutes of a span stand, by instrument and state, as starts and ends in epoch
-- milliseconds, which are read ten times as quickly as ranges; reads the whole of what the function
-- report.minute_state gives, which leans on gap_open and coverage_pkey.
SELECT
    told.instrument_id,
    venue.name,
    instrument.symbol,
    told.state,
    ARRAY(
        SELECT (extract(EPOCH FROM lower(part)) * 1000)::bigint FROM unnest(told.spans) AS part
    ) AS starts_ms,
    ARRAY(
        SELECT (extract(EPOCH FROM upper(part)) * 1000)::bigint FROM unnest(told.spans) AS part
    ) AS ends_ms
FROM report.minute_state(%(since)s, %(until)s) AS told
INNER JOIN market.instrument AS instrument ON told.instrument_id = instrument.instrument_id
INNER JOIN market.venue AS venue ON instrument.venue_id = venue.venue_id
