-- Part of judge_rows: whether the row that is absent was taken back after the batch was observed;
-- leans on candle_revision_withdrawn and load_pkey.
WHEN {is_absent} AND EXISTS (
    SELECT
    FROM {revisions} AS withdrawn
    INNER JOIN ledger.load AS load ON withdrawn.withdrawn_by = load.load_id
    WHERE
        withdrawn.withdrawn_by IS NOT NULL
        AND {of_this_table}
        AND {same_key}
        AND load.observed_at > %(observed_at)s::timestamptz
) THEN 'superseded'
