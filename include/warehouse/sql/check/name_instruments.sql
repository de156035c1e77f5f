-- Names the instruments for people, venue:symbol; reads the whole of two small tables, leans on
-- venue_pkey.
SELECT
    instrument.instrument_id,
    venue.name || ':' || instrument.symbol
FROM market.instrument
INNER JOIN market.venue ON instrument.venue_id = venue.venue_id
