-- Lists the instruments whose symbol the venue no longer lists (of a complete list), or lists as
-- something else, and when each ended: when the other was listed, if the venue says so, else now.
-- Leans on alias_by_symbol and history_instrument.
SELECT
    alias.instrument_id,
    CASE
        WHEN
            NOT listed.listing_inferred
            AND listed.named_at > gone.listed_at
            AND listed.named_at > coalesce(lower(alias.valid_during), '-infinity')
            AND listed.named_at < %(observed_at)s
            THEN listed.named_at
        ELSE %(observed_at)s::timestamptz
    END AS ended_at
FROM market.instrument_alias AS alias
INNER JOIN market.instrument AS gone ON alias.instrument_id = gone.instrument_id
LEFT JOIN pg_temp.instrument_listed AS listed ON alias.symbol = listed.symbol
WHERE
    alias.venue_id = %(venue_id)s
    AND upper_inf(alias.valid_during)
    AND CASE
        WHEN listed.symbol IS NULL THEN %(complete)s
        ELSE listed.instrument_id IS NULL
    END
ORDER BY alias.instrument_id
