-- Counts the symbols in use and those of them a list lacks; leans on alias_by_symbol.
SELECT
    count(*),
    count(*) FILTER (WHERE listed.symbol IS NULL)
FROM market.instrument_alias AS alias
LEFT JOIN pg_temp.instrument_listed AS listed ON alias.symbol = listed.symbol
WHERE alias.venue_id = %(venue_id)s AND upper_inf(alias.valid_during)
