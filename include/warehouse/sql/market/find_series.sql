-- Lists which instruments a symbol meant within a span, and when; leans on alias_by_symbol.
SELECT
    alias.instrument_id,
    greatest(lower(alias.valid_during), %(span_start)s),
    least(upper(alias.valid_during), %(span_end)s)
FROM market.instrument_alias AS alias
INNER JOIN market.venue AS venue ON alias.venue_id = venue.venue_id
WHERE
    venue.name = %(venue)s
    AND alias.symbol = %(symbol)s
    AND alias.valid_during && tstzrange(%(span_start)s, %(span_end)s)
