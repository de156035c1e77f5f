-- Writes down when the newest data of a connection came; leans on connection_pkey.
UPDATE ledger.connection SET last_message_at = greatest(last_message_at, connected_at, %(at)s)
WHERE connection_id = %(connection_id)s AND disconnected_at IS NULL
