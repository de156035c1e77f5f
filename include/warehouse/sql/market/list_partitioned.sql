-- Lists the tables kept by month; leans on pg_class_relname_nsp_index.
SELECT relname::text
FROM pg_class
WHERE relnamespace = 'market'::regnamespace AND relkind = 'p'
ORDER BY relname
