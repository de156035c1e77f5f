-- Finds what a symbol names at an instant or first thereafter; leans on alias_by_symbol.
SELECT
    alias.alias_id,
    alias.instrument_id
FROM market.instrument_alias AS alias
INNER JOIN market.venue AS venue ON alias.venue_id = venue.venue_id
WHERE
    venue.name = %(venue)s
    AND alias.symbol = %(symbol)s
    AND (upper_inf(alias.valid_during) OR upper(alias.valid_during) > %(at)s)
ORDER BY lower(alias.valid_during) ASC NULLS FIRST
LIMIT 1
