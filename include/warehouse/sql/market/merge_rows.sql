-- Stores new and revised rows in order of their key, keeps what they replace, tells what changed.
-- Leans on the table's key and on RETURNING old.
WITH merged AS (
    INSERT INTO {table} AS stored ({columns})
    SELECT {judged_values}
    FROM pg_temp.judged_rows AS judged
    {numbered_on}
    WHERE judged.fate IN ('new', 'revised')
    ORDER BY {judged_key}
    ON CONFLICT ({key}) {action}
    RETURNING {returned}
)

{also}

SELECT
    count(*) FILTER (WHERE is_new),
    count(*) FILTER (WHERE NOT is_new)
FROM merged
