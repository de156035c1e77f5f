-- Lists the symbols of a venue that quarantined rows wait for and no listing proves, those that
-- have waited longest first; leans on quarantine_waiting, listing_pkey and alias_by_symbol.
SELECT waiting.symbol
FROM (
    SELECT
        venue.venue_id,
        market.spell(parked.symbol, venue.symbol_case) AS symbol,
        min(parked.quarantine_id) AS oldest
    FROM ledger.quarantine AS parked
    INNER JOIN market.venue AS venue ON parked.venue = venue.name
    WHERE parked.state = 'waiting' AND venue.name = %(venue)s AND parked.symbol IS NOT NULL
    GROUP BY 1, 2
) AS waiting
WHERE
    NOT EXISTS (
        SELECT FROM market.listing AS listed
        WHERE listed.venue_id = waiting.venue_id AND listed.symbol = waiting.symbol
    )
    AND NOT EXISTS (
        SELECT FROM market.instrument_alias AS alias
        WHERE alias.venue_id = waiting.venue_id AND alias.symbol = waiting.symbol
    )
ORDER BY waiting.oldest
LIMIT %(limit)s
