-- Lists the p-values of the current fits of a timeframe; leans on fit_one_current.
SELECT
    instrument_id,
    p_value
FROM model.fit_run
WHERE timeframe = %(timeframe)s AND is_current AND p_value IS NOT NULL
