-- Lists the tables and views of a schema without partitions; leans on pg_class.
SELECT
    relation.oid,
    format('%%I.%%I', schema.nspname, relation.relname),
    CASE relation.relkind
        WHEN 'p' THEN 'Partitioned table'
        WHEN 'v' THEN 'View'
        ELSE 'Table'
    END,
    obj_description(relation.oid, 'pg_class')
FROM pg_class AS relation
INNER JOIN pg_namespace AS schema ON relation.relnamespace = schema.oid
WHERE
    schema.nspname = %(schema)s
    AND relation.relkind IN ('r', 'p', 'v', 'm')
    AND NOT relation.relispartition
ORDER BY relation.relname COLLATE "C"
