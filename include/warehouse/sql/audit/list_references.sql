-- Lists the foreign keys of a table: name, columns, table and columns referred to; leans on
-- pg_constraint_conrelid_….
SELECT
    reference.conname::text,
    (
        SELECT array_agg(attribute.attname::text ORDER BY place)
        FROM unnest(reference.conkey) WITH ORDINALITY AS key (number, place)
        INNER JOIN pg_attribute AS attribute
            ON reference.conrelid = attribute.attrelid AND key.number = attribute.attnum
    ),
    schema.nspname::text,
    target.relname::text,
    (
        SELECT array_agg(attribute.attname::text ORDER BY place)
        FROM unnest(reference.confkey) WITH ORDINALITY AS key (number, place)
        INNER JOIN pg_attribute AS attribute
            ON reference.confrelid = attribute.attrelid AND key.number = attribute.attnum
    )
FROM pg_constraint AS reference
INNER JOIN pg_class AS target ON reference.confrelid = target.oid
INNER JOIN pg_namespace AS schema ON target.relnamespace = schema.oid
WHERE reference.conrelid = %(table)s::regclass AND reference.contype = 'f'
ORDER BY reference.conname
