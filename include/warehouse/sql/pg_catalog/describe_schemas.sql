-- Lists our schemas in the order of the river; leans on pg_namespace.
SELECT
    nspname::text,
    obj_description(oid, 'pg_namespace')
FROM pg_namespace
WHERE nspname = ANY(%(schemas)s)
ORDER BY array_position(%(schemas)s::text[], nspname::text)
