-- Part of merge_rows: the revision a withdrawn row had, from which one in its place goes on; leans on
-- candle_revision_withdrawn.
LEFT JOIN (
    SELECT
        {listed_key},
        max(revision) AS revision
    FROM {revisions}
    WHERE withdrawn_by IS NOT NULL AND {of_this_table}
    GROUP BY {listed_key}
) AS withdrawn ON {same_key}
