-- Takes back the staged rows whose names still mean nothing; leans on alias_by_symbol.
DELETE FROM pg_temp.staged_rows
WHERE position IN (
    SELECT arrived.position
    FROM pg_temp.staged_rows AS arrived
    {references}
    WHERE {unresolved}
)
