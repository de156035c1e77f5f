-- Finds what a symbol last named before an instant; leans on alias_by_symbol.
SELECT
    alias.alias_id,
    alias.instrument_id
FROM market.instrument_alias AS alias
INNER JOIN market.venue AS venue ON alias.venue_id = venue.venue_id
WHERE
    venue.name = %(venue)s
    AND alias.symbol = %(symbol)s
    AND (lower_inf(alias.valid_during) OR lower(alias.valid_during) < %(at)s)
ORDER BY lower(alias.valid_during) DESC NULLS LAST
LIMIT 1
