-- Lists how the minutes of a span stand, by instrument and state; reads the whole of what the
-- function report.minute_state gives, which leans on gap_open and coverage_pkey.
SELECT
    told.instrument_id,
    venue.name,
    instrument.symbol,
    told.state,
    told.spans
FROM report.minute_state(%(since)s, %(until)s) AS told
INNER JOIN market.instrument AS instrument ON told.instrument_id = instrument.instrument_id
INNER JOIN market.venue AS venue ON instrument.venue_id = venue.venue_id
