-- Lists what of ours has no comment, partitions aside; leans on the catalogs' keys.
WITH ours AS (
    SELECT
        oid,
        nspname
    FROM pg_namespace
    WHERE nspname = ANY(%(schemas)s)
),

relations AS (
    SELECT
        relation.oid,
        format('%%I.%%I', ours.nspname, relation.relname) AS name
    FROM pg_class AS relation
    INNER JOIN ours ON relation.relnamespace = ours.oid
    WHERE relation.relkind IN ('r', 'p', 'v', 'm') AND NOT relation.relispartition
),

named AS (
    SELECT
        format('schema %%I', nspname) AS name,
        obj_description(oid, 'pg_namespace') AS meaning
    FROM ours
    UNION ALL
    SELECT
        relations.name,
        obj_description(relations.oid, 'pg_class')
    FROM relations
    UNION ALL
    SELECT
        relations.name || '.' || quote_ident(columns.attname),
        col_description(relations.oid, columns.attnum)
    FROM relations
    INNER JOIN pg_attribute AS columns ON relations.oid = columns.attrelid
    WHERE columns.attnum > 0 AND NOT columns.attisdropped
    UNION ALL
    SELECT
        routine.oid::regprocedure::text,
        obj_description(routine.oid, 'pg_proc')
    FROM pg_proc AS routine
    INNER JOIN ours ON routine.pronamespace = ours.oid
    WHERE NOT EXISTS (
        SELECT FROM pg_depend
        WHERE objid = routine.oid AND classid = 'pg_proc'::regclass AND deptype = 'i'
    )
    UNION ALL
    SELECT
        format('%%I.%%I', ours.nspname, kind.typname),
        obj_description(kind.oid, 'pg_type')
    FROM pg_type AS kind
    INNER JOIN ours ON kind.typnamespace = ours.oid
    WHERE kind.typtype IN ('r', 'e', 'd')
)

SELECT name
FROM named
WHERE coalesce(meaning, '') = ''
ORDER BY name COLLATE "C"
