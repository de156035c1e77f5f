-- Finds rows outside the month of their partition; reads the whole partition.
SELECT
    {instrument},
    {time},
    NULL::timestamptz,
    format('stands in %%s', %(partition)s::text)
FROM {table}
WHERE {time} < %(from_time)s OR {time} >= %(to_time)s
ORDER BY 1, 2
LIMIT %(limit)s
