-- Lists what the symbols of a venue mean now; leans on alias_by_symbol.
SELECT
    alias.symbol,
    alias.instrument_id
FROM market.instrument_alias AS alias
INNER JOIN market.venue AS venue ON alias.venue_id = venue.venue_id
WHERE venue.name = %(venue)s AND upper_inf(alias.valid_during)
ORDER BY alias.symbol
