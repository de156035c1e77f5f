-- Lists the check constraints of a table as expressions; leans on pg_constraint_conrelid_….
SELECT
    conname::text,
    pg_get_expr(conbin, conrelid)
FROM pg_constraint
WHERE conrelid = %(table)s::regclass AND contype = 'c'
ORDER BY conname
