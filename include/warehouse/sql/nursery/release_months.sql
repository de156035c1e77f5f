-- Gives up this session's hold on every month it was building; leans on no index.
SELECT pg_advisory_unlock_all()
