-- Notes that a stage of modelling has taken notice of drifts; leans on drift_episode_pkey.
UPDATE ledger.drift_episode SET handed_to = handed_to || %(stage)s::text
WHERE episode_id = ANY(%(episode_ids)s) AND NOT handed_to @> ARRAY[%(stage)s::text]
