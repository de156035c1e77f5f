-- Creates the absent monthly partitions of one table; leans on the catalog.
SELECT market.ensure_partitions(%(table)s::text::regclass, %(from_time)s, %(to_time)s)
