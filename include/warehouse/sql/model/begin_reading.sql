-- Tells the instant of a snapshot and the bound of the transactions all of which it has seen; leans on no
-- index.
SELECT
    clock_timestamp(),
    pg_snapshot_xmin(pg_current_snapshot())::text::bigint
