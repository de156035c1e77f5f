-- Lists the instruments whose current fit has not seen all changes below a bound; leans on
-- fit_one_current.
SELECT asked.instrument_id
FROM unnest(%(instrument_ids)s::integer[]) AS asked (instrument_id)
WHERE NOT EXISTS (
    SELECT
    FROM model.fit_run AS fit
    WHERE
        fit.instrument_id = asked.instrument_id
        AND fit.timeframe = %(timeframe)s
        AND fit.is_current
        AND fit.data_xid >= %(upto_xid)s::text::xid8
)
ORDER BY asked.instrument_id
