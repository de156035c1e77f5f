-- Lists whose waiting rows may mean something by now, in a fixed order; leans on quarantine_waiting
-- and alias_by_symbol. Where only the symbol was unknown it takes an alias that meets the rows'
-- times, or a listing that may still become one.
SELECT
    parked.dataset,
    parked.venue,
    parked.symbol
FROM (
    SELECT
        dataset,
        venue,
        symbol,
        tstzrange(min(open_time), max(open_time), '[]') AS times,
        bool_and(rule = 'unknown_instrument') AS wants_symbol
    FROM ledger.quarantine
    WHERE state = 'waiting'
    GROUP BY dataset, venue, symbol
) AS parked
LEFT JOIN market.venue AS venue ON parked.venue = venue.name
WHERE
    NOT parked.wants_symbol
    OR EXISTS (
        SELECT FROM market.instrument_alias AS alias
        WHERE
            alias.venue_id = venue.venue_id
            AND alias.symbol = market.spell(parked.symbol, venue.symbol_case)
            AND alias.valid_during && parked.times
    )
    OR EXISTS (SELECT FROM market.admissible(venue.venue_id, ARRAY[parked.symbol]))
ORDER BY parked.dataset, parked.venue, parked.symbol
