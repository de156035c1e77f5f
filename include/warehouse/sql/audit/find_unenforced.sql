-- Finds constraints that are not enforced or were never validated, and triggers that are off; leans
-- on pg_constraint and pg_trigger.
SELECT
    NULL::integer,
    NULL::timestamptz,
    NULL::timestamptz,
    format('constraint %%s of %%s is not enforced', conname, conrelid::regclass)
FROM pg_constraint
WHERE
    connamespace::regnamespace::text = ANY(%(schemas)s)
    AND contype IN ('c', 'f', 'n')
    AND NOT (convalidated AND conenforced)
UNION ALL
SELECT
    NULL,
    NULL,
    NULL,
    format('trigger %%s of %%s is off', tgname, tgrelid::regclass)
FROM pg_trigger
INNER JOIN pg_class ON pg_trigger.tgrelid = pg_class.oid
WHERE relnamespace::regnamespace::text = ANY(%(schemas)s) AND tgenabled NOT IN ('O', 'A')
UNION ALL
SELECT
    NULL,
    NULL,
    NULL,
    format('index %%s is not valid', indexrelid::regclass)
FROM pg_index
INNER JOIN pg_class ON pg_index.indexrelid = pg_class.oid
WHERE relnamespace::regnamespace::text = ANY(%(schemas)s) AND NOT (indisvalid AND indisready)
ORDER BY 4
LIMIT %(limit)s
