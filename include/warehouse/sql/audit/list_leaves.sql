-- Lists every table of ours that holds rows, with the table it is a month of; leans on pg_class and
-- pg_inherits. Bounds are null for a table that is no month.
SELECT
    schema.nspname::text,
    leaf.relname::text,
    coalesce(root.relname, leaf.relname)::text,
    substring(bound.definition FROM 'FROM \(''([^'']+)''\)')::timestamptz,
    substring(bound.definition FROM 'TO \(''([^'']+)''\)')::timestamptz,
    (
        SELECT min(attribute.attname::text)
        FROM pg_attribute AS attribute
        WHERE
            attribute.attrelid = leaf.oid
            AND attribute.attname = 'instrument_id'
            AND NOT attribute.attisdropped
    ),
    (
        SELECT attribute.attname::text
        FROM pg_attribute AS attribute
        WHERE
            attribute.attrelid = leaf.oid
            AND attribute.attname = ANY(%(time_columns)s)
            AND NOT attribute.attisdropped
        ORDER BY array_position(%(time_columns)s, attribute.attname::text)
        LIMIT 1
    )
FROM pg_class AS leaf
INNER JOIN pg_namespace AS schema ON leaf.relnamespace = schema.oid
LEFT JOIN pg_inherits ON leaf.oid = pg_inherits.inhrelid
LEFT JOIN pg_class AS root ON pg_inherits.inhparent = root.oid
CROSS JOIN LATERAL (SELECT pg_get_expr(leaf.relpartbound, leaf.oid) AS definition) AS bound
WHERE
    schema.nspname = ANY(%(schemas)s)
    AND leaf.relkind = 'r'
    AND (NOT leaf.relispartition OR root.relkind = 'p')
ORDER BY root.relname NULLS FIRST, leaf.relname
