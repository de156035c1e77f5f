-- Lists what the names of the staged rows mean, null where they mean nothing; leans on
-- alias_by_symbol.
SELECT DISTINCT
    {names},
    {owner} AS owner_id
FROM pg_temp.staged_rows AS arrived
{references}
