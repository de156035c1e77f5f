-- Writes down that a connection ended; leans on connection_pkey.
UPDATE ledger.connection SET
    disconnected_at = greatest(%(at)s, last_message_at, connected_at),
    reason = %(reason)s
WHERE connection_id = %(connection_id)s AND disconnected_at IS NULL
