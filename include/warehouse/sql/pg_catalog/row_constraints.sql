-- Lists what a table demands of each of its rows, NOT NULL first, with the columns it speaks of;
-- leans on pg_constraint_conrelid_contypid_conname_index.
SELECT
    rule.conname,
    CASE rule.contype
        WHEN 'n' THEN format('%%I IS NOT NULL', min(described.attname))
        ELSE pg_get_expr(rule.conbin, rule.conrelid)
    END,
    array_agg(described.attname::text)
FROM pg_constraint AS rule
INNER JOIN pg_attribute AS described
    ON rule.conrelid = described.attrelid AND described.attnum = ANY(rule.conkey)
WHERE
    rule.conrelid = %(table)s::regclass
    AND rule.contype IN ('c', 'n')
    AND rule.conenforced
GROUP BY rule.conname, rule.contype, rule.conbin, rule.conrelid
ORDER BY rule.contype DESC, rule.conname
