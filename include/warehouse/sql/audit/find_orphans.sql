-- Finds rows whose foreign key leads nowhere; reads the whole table and leans on the referred
-- table's key.
SELECT
    {instrument},
    {time},
    NULL::timestamptz,
    format('%%s: no %%s has %%s', %(name)s::text, %(target)s::text, concat_ws(', ', {shown}))
FROM {table} AS child
WHERE
    {stated}
    AND NOT EXISTS (SELECT FROM {referred} AS parent WHERE {matches})
ORDER BY 1, 2
LIMIT %(limit)s
