-- Lists the instruments whose symbol the venue no longer lists (of a complete list), or lists as
-- something else; leans on alias_by_symbol.
SELECT alias.instrument_id
FROM market.instrument_alias AS alias
LEFT JOIN pg_temp.instrument_listed AS listed ON alias.symbol = listed.symbol
WHERE
    alias.venue_id = %(venue_id)s
    AND upper_inf(alias.valid_during)
    AND CASE
        WHEN listed.symbol IS NULL THEN %(complete)s
        ELSE listed.instrument_id IS NULL
    END
ORDER BY alias.instrument_id
