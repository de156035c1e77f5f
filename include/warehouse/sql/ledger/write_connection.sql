-- Writes down a new live connection; leans on venue_name_key.
INSERT INTO ledger.connection (venue_id, stream, symbols, connected_at)
SELECT
    venue_id,
    %(stream)s,
    %(symbols)s::text[],
    %(at)s
FROM market.venue
WHERE name = %(venue)s
RETURNING connection_id
