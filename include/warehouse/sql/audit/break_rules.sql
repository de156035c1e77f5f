-- Finds rows that a check constraint of their table would refuse, NaN among them; reads the whole
-- table. A rule that is null for a row holds.
SELECT
    {instrument},
    {time},
    NULL::timestamptz,
    concat_ws(', ', {broken})
FROM {table}
WHERE NOT ({rules})
ORDER BY 1, 2
LIMIT %(limit)s
