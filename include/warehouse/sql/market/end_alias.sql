-- Ends the alias a symbol has at an instant and tells whose it was; leans on alias_by_symbol.
UPDATE market.instrument_alias AS alias SET
    valid_during = tstzrange(lower(alias.valid_during), %(renamed_at)s)
FROM market.venue AS venue
WHERE
    venue.name = %(venue)s
    AND alias.venue_id = venue.venue_id
    AND alias.symbol = %(old)s
    AND upper_inf(alias.valid_during)
    AND alias.valid_during @> %(renamed_at)s::timestamptz
RETURNING alias.instrument_id
