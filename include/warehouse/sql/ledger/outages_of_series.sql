-- Finds what known outages of an instrument's venue explain of some holes; leans on
-- instrument_pkey and outage_written_once.
SELECT
    outage.outage_id,
    outage.source,
    %(spans)s::tstzmultirange
    * tstzmultirange(tstzrange(outage.span_start, outage.span_end)) AS parts
FROM market.instrument AS instrument
INNER JOIN ledger.venue_outage AS outage ON instrument.venue_id = outage.venue_id
WHERE
    instrument.instrument_id = %(instrument_id)s
    AND outage.withdrawn_at IS NULL
    AND tstzrange(outage.span_start, outage.span_end) && %(spans)s::tstzmultirange
ORDER BY outage.span_start
