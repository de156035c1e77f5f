-- Tells when the newest of some troubles, rules that datasets break, began; leans on
-- quality_result_failed and quality_run_pkey, and for runs that knew none of it on quality_run_age.
WITH found AS (
    SELECT
        run.dataset,
        result.rule,
        run.run_at
    FROM unnest(%(datasets)s::text[], %(rules)s::text[]) AS trouble (dataset, rule)
    INNER JOIN ledger.quality_result AS result
        ON trouble.rule = result.rule AND NOT result.success AND result.severity = 'block'
    INNER JOIN ledger.quality_run AS run
        ON
            result.quality_run_id = run.quality_run_id
            AND trouble.dataset = run.dataset
            AND run.checkpoint = %(checkpoint)s
            AND run.run_at <= %(at)s
)

SELECT coalesce(max(lasting.began), %(at)s)
FROM (
    SELECT min(found.run_at) AS began
    FROM found
    WHERE found.run_at > coalesce(
        (
            SELECT max(sound.run_at) FROM ledger.quality_run AS sound
            WHERE
                sound.checkpoint = %(checkpoint)s
                AND sound.dataset = found.dataset
                AND sound.run_at < %(at)s
                AND NOT EXISTS (
                    SELECT FROM found AS same
                    WHERE
                        same.dataset = sound.dataset
                        AND same.rule = found.rule
                        AND same.run_at = sound.run_at
                )
        ),
        '-infinity'
    )
    GROUP BY found.dataset, found.rule
) AS lasting
