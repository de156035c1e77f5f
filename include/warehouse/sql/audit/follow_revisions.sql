-- Follows each candle of a month back through what it replaced: revision n has n - 1 forerunners,
-- recorded one after the other up to itself, with a pause where one was withdrawn; leans on
-- candle_revision_pkey.
WITH chain AS (
    SELECT
        instrument_id,
        open_time,
        count(*) AS kept,
        min(revision) AS first,
        max(revision) AS last,
        max(upper(recorded_during)) AS until,
        bool_or(
            CASE
                WHEN is_after_pause THEN previous_until > lower(recorded_during)
                ELSE previous_until <> lower(recorded_during)
            END
        ) AS is_broken,
        coalesce(
            bool_or(withdrawn_by IS NOT NULL) FILTER (WHERE is_newest), false
        ) AS is_withdrawn
    FROM (
        SELECT
            *,
            lag(upper(recorded_during)) OVER by_revision AS previous_until,
            lag(withdrawn_by) OVER by_revision IS NOT NULL AS is_after_pause,
            lead(revision) OVER by_revision IS NULL AS is_newest
        FROM market.candle_revision
        WHERE
            timeframe = %(timeframe)s
            AND open_time >= %(from_time)s
            AND open_time < %(to_time)s
        WINDOW by_revision AS (PARTITION BY instrument_id, open_time ORDER BY revision)
    ) AS replaced
    GROUP BY instrument_id, open_time
),

revised AS (
    SELECT
        stored.instrument_id,
        stored.open_time,
        stored.revision,
        stored.recorded_at
    FROM {table} AS stored
    WHERE
        stored.revision > 1
        OR EXISTS (
            SELECT FROM chain
            WHERE
                chain.instrument_id = stored.instrument_id AND chain.open_time = stored.open_time
        )
),

compared AS (
    SELECT
        instrument_id,
        open_time,
        CASE
            WHEN revised.revision IS NULL AND chain.is_withdrawn
                THEN CASE
                    WHEN (chain.kept, chain.first) <> (chain.last, 1)
                        THEN format(
                            'withdrawn as revision %%s, but %%s are kept', chain.last, chain.kept
                        )
                    WHEN chain.is_broken THEN 'recorded spans of what was withdrawn do not join'
                END
            WHEN revised.revision IS NULL THEN 'replaced candles are kept, but none stands'
            WHEN chain.kept IS NULL
                THEN format('revision %%s, but nothing it replaced is kept', revised.revision)
            WHEN (chain.kept, chain.first, chain.last)
                <> (revised.revision - 1, 1, revised.revision - 1)
                THEN format(
                    'revision %%s, but %%s replaced ones are kept, %%s to %%s',
                    revised.revision, chain.kept, chain.first, chain.last
                )
            WHEN chain.is_broken THEN 'recorded spans of what it replaced do not join'
            WHEN
                chain.until > revised.recorded_at
                OR (chain.until < revised.recorded_at AND NOT chain.is_withdrawn)
                THEN format(
                    'recorded at %%s, but what it replaced stood until %%s',
                    revised.recorded_at, chain.until
                )
        END AS detail
    FROM revised
    FULL JOIN chain USING (instrument_id, open_time)
)

SELECT
    instrument_id,
    open_time,
    open_time + %(length)s::interval,
    detail
FROM compared
WHERE detail IS NOT NULL
ORDER BY 1, 2
LIMIT %(limit)s
