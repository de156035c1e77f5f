-- Writes down an outage of a venue; leans on venue_name_key.
INSERT INTO ledger.venue_outage (venue_id, span_start, span_end, source, note, proof)
SELECT
    venue_id,
    %(span_start)s,
    %(span_end)s,
    %(source)s,
    %(note)s,
    %(proof)s::jsonb
FROM market.venue
WHERE name = %(venue)s
