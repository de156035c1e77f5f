-- Turns current fits into history, but for those that have seen more changes than what is to replace
-- them, which are listed; leans on fit_one_current.
WITH told AS MATERIALIZED (
    SELECT
        t.instrument_id,
        t.timeframe,
        t.data_xid::xid8 AS data_xid
    FROM
        unnest(%(instrument_ids)s::integer[], %(timeframes)s::text[], %(data_xids)s::text[])
            AS t (instrument_id, timeframe, data_xid)
),

retired AS (
    UPDATE model.fit_run AS fit SET is_current = false
    FROM told
    WHERE
        fit.instrument_id = told.instrument_id
        AND fit.timeframe = told.timeframe
        AND fit.is_current
        AND fit.data_xid <= told.data_xid
)

SELECT
    told.instrument_id,
    told.timeframe
FROM told
INNER JOIN model.fit_run AS fit
    ON
        told.instrument_id = fit.instrument_id
        AND told.timeframe = fit.timeframe
        AND told.data_xid < fit.data_xid
WHERE fit.is_current
