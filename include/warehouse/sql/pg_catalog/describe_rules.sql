-- Lists the constraints of a relation and its other indexes; leans on pg_constraint and pg_index.
SELECT
    name,
    definition
FROM (
    SELECT
        conname::text AS name,
        pg_get_constraintdef(oid) AS definition,
        position(contype::text IN 'pufxc') AS place
    FROM pg_constraint
    WHERE conrelid = %(relation_id)s AND contype <> 'n'
    UNION ALL
    SELECT
        indexrelid::regclass::text,
        pg_get_indexdef(indexrelid),
        9
    FROM pg_index
    WHERE
        indrelid = %(relation_id)s
        AND NOT EXISTS (
            SELECT FROM pg_constraint
            WHERE conindid = pg_index.indexrelid AND conrelid = pg_index.indrelid
        )
) AS rules
ORDER BY place, name COLLATE "C"
