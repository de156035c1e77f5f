-- Notes that somebody was told of drifts; leans on drift_episode_pkey.
UPDATE ledger.drift_episode SET told_at = %(at)s
WHERE episode_id = ANY(%(episode_ids)s) AND told_at IS NULL
