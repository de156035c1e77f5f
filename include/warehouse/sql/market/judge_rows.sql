-- Gives every staged row its fate; leans on alias_by_symbol, the table's key, load_pkey and
-- load_by_symbol. A stored value of a source of higher rank stands; between equals it stands when it
-- was observed later. What a whole load confirmed counts as observed by that load; what was taken back
-- stays away from whatever was observed before.
CREATE TEMPORARY TABLE judged_rows ON COMMIT DROP AS
SELECT
    staged.position,
    {staged_values},
    CASE
        WHEN staged.refusal IS NOT NULL THEN staged.refusal
        WHEN staged.turn > 1 THEN 'duplicate_key'
        {withdrawn}
        WHEN {is_absent} THEN 'new'
        WHEN ({merged_values}) IS NOT DISTINCT FROM ({stored_values}) THEN 'same'
        {standing}
        ELSE 'revised'
    END AS fate
FROM (
    SELECT
        sound.*,
        {turn} AS turn
    FROM (
        SELECT
            resolved.*,
            {refusal} AS refusal
        FROM (
            SELECT
                arrived.position,
                {resolved_values}
            FROM pg_temp.staged_rows AS arrived
            {references}
        ) AS resolved
    ) AS sound
) AS staged
LEFT JOIN {table} AS stored ON {same_key}
{lineage}
