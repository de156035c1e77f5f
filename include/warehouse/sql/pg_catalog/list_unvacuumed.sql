-- Lists tables that were filled or changed since they were last vacuumed and analyzed, the one they
-- are a month of beside them; leans on pg_class and the cumulative statistics.
SELECT
    schema.nspname::text,
    leaf.relname::text,
    root.relname::text
FROM pg_class AS leaf
INNER JOIN pg_namespace AS schema ON leaf.relnamespace = schema.oid
INNER JOIN pg_stat_all_tables AS activity ON leaf.oid = activity.relid
LEFT JOIN pg_inherits ON leaf.oid = pg_inherits.inhrelid
LEFT JOIN pg_class AS root ON pg_inherits.inhparent = root.oid
WHERE
    schema.nspname = ANY(%(schemas)s)
    AND leaf.relkind = 'r'
    AND pg_relation_size(leaf.oid) > 0
    AND (
        leaf.reltuples < 0
        OR (leaf.relpages > 8 AND leaf.relallvisible < 0.9 * leaf.relpages)
        OR activity.n_dead_tup > 50 + 0.05 * activity.n_live_tup
        OR activity.n_ins_since_vacuum > 1000 + 0.1 * activity.n_live_tup
        OR activity.n_mod_since_analyze > 500 + 0.05 * activity.n_live_tup
    )
ORDER BY root.relname, leaf.relname
