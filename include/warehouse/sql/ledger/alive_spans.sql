-- Adds up when a connection that carried a symbol was alive; leans on connection_of_venue.
SELECT
    range_agg(
        tstzrange(connection.connected_at, connection.last_message_at)
        * tstzrange(%(span_start)s, %(span_end)s)
    )
FROM ledger.connection AS connection
INNER JOIN market.venue AS venue ON connection.venue_id = venue.venue_id
WHERE
    venue.name = %(venue)s
    AND (connection.symbols = '{}' OR %(symbol)s = ANY(connection.symbols))
    AND connection.connected_at < %(span_end)s
    AND connection.last_message_at > %(span_start)s
