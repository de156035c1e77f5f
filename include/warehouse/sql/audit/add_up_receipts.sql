-- Holds receipts against what their loads left: rows that stand or were replaced since, and rows in
-- quarantine; reads the whole table, leans on quarantine_load_id and landing_load.
WITH left_behind AS (
    SELECT
        load_id,
        count(*) AS rows
    FROM (
        SELECT load_id FROM {table}
        UNION ALL
        SELECT load_id FROM market.candle_revision WHERE timeframe = %(timeframe)s
    ) AS every
    GROUP BY load_id
),

refused AS (
    SELECT
        load_id,
        count(*) AS rows
    FROM ledger.quarantine
    WHERE dataset = %(dataset)s AND load_id IS NOT NULL
    GROUP BY load_id
),

compared AS (
    SELECT
        load.span_start,
        load.span_end,
        load.load_id,
        load.symbol,
        concat_ws(
            '; ',
            CASE
                WHEN
                    load.rows_inserted + load.rows_updated <> coalesce(left_behind.rows, 0)
                    AND NOT EXISTS (
                        SELECT FROM ledger.retired_month AS retired
                        WHERE
                            retired.dataset = %(dataset)s
                            AND retired.month < load.span_end AT TIME ZONE 'UTC'
                            AND retired.month + interval '1 month'
                            > load.span_start AT TIME ZONE 'UTC'
                    )
                    THEN format(
                        'stored %%s rows, of which %%s are there or were replaced',
                        load.rows_inserted + load.rows_updated, coalesce(left_behind.rows, 0)
                    )
            END,
            CASE
                WHEN load.rows_quarantined <> coalesce(refused.rows, 0)
                    THEN format(
                        'refused %%s rows, of which %%s are in quarantine',
                        load.rows_quarantined, coalesce(refused.rows, 0)
                    )
            END,
            CASE
                WHEN load.rows_in <> load.rows_inserted + load.rows_updated + load.rows_unchanged
                    + load.rows_quarantined
                    THEN 'its counts do not add up'
            END,
            CASE
                WHEN EXISTS (
                    SELECT FROM ledger.landing AS landing
                    WHERE
                        landing.load_id = load.load_id
                        AND (landing.payload_sha256, landing.dataset, landing.source)
                        IS DISTINCT FROM (load.payload_sha256, load.dataset, load.source)
                )
                    THEN 'its landing holds other content'
            END
        ) AS detail
    FROM ledger.load AS load
    LEFT JOIN left_behind USING (load_id)
    LEFT JOIN refused USING (load_id)
    WHERE load.dataset = %(dataset)s
)

SELECT
    NULL::integer,
    span_start,
    span_end,
    format('load %%s (%%s): %%s', load_id, coalesce(symbol, 'computed'), detail)
FROM compared
WHERE detail <> ''
ORDER BY load_id
LIMIT %(limit)s
