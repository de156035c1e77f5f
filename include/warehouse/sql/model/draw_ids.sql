-- Draws ids of a table's identity column; leans on no index.
SELECT nextval(pg_get_serial_sequence(%(table)s, %(key)s))
FROM generate_series(1, %(count)s)
