-- Reads the current fit of an instrument and timeframe; leans on fit_one_current.
SELECT
    fit_run_id,
    data_xid::text,
    code_version,
    parameters,
    recorded_at
FROM model.fit_run
WHERE instrument_id = %(instrument_id)s AND timeframe = %(timeframe)s AND is_current
