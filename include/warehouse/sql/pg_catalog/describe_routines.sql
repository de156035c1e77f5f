-- Lists the functions of a schema and the types that are no table's; leans on pg_proc and pg_type.
SELECT
    name,
    kind,
    meaning
FROM (
    SELECT
        format(
            '%%I.%%I(%%s)', schema.nspname, routine.proname, pg_get_function_arguments(routine.oid)
        ) AS name,
        'Function' AS kind,
        obj_description(routine.oid, 'pg_proc') AS meaning
    FROM pg_proc AS routine
    INNER JOIN pg_namespace AS schema ON routine.pronamespace = schema.oid
    WHERE
        schema.nspname = %(schema)s
        AND NOT EXISTS (
            -- The constructors of a range type belong to the type.
            SELECT FROM pg_depend
            WHERE objid = routine.oid AND classid = 'pg_proc'::regclass AND deptype = 'i'
        )
    UNION ALL
    SELECT
        format('%%I.%%I', schema.nspname, kind.typname),
        'Type',
        obj_description(kind.oid, 'pg_type')
    FROM pg_type AS kind
    INNER JOIN pg_namespace AS schema ON kind.typnamespace = schema.oid
    WHERE schema.nspname = %(schema)s AND kind.typtype IN ('r', 'e', 'd')
) AS others
ORDER BY kind, name COLLATE "C"
