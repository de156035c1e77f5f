-- Returns the transaction below which all have ended. Leans on no index.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text
