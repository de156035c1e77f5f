-- Completes renames with what the venue states of the new name: the base asset, and the first
-- trading instant if it lies after the rename. UNLISTED is our word: that repeats what was known of
-- the old name. Leans on corporate_action_pkey.
UPDATE market.corporate_action AS action SET
    base_asset_id = listed.base_asset_id,
    resumed_at = greatest(action.resumed_at, listed.resumed_at),
    recorded_at = now()
FROM (
    SELECT
        named.action_id,
        named.base_asset_id,
        CASE WHEN named.named_at > renamed.effective_at THEN named.named_at END AS resumed_at
    FROM pg_temp.instrument_listed AS named
    INNER JOIN market.corporate_action AS renamed ON named.action_id = renamed.action_id
    WHERE named.status <> 'UNLISTED'
) AS listed
WHERE
    action.action_id = listed.action_id
    AND (
        action.base_asset_id IS NULL
        OR (action.resumed_at IS NULL AND listed.resumed_at IS NOT NULL)
    )
