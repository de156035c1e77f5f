-- Part of merge_rows: keeps every replaced row whole, with the time it stood; reads the whole merge.
, kept AS (
    INSERT INTO {revisions} ({columns}, recorded_during)
    SELECT
        {old_values},
        tstzrange(old_recorded_at, recorded_at)
    FROM merged
    WHERE NOT is_new
)
