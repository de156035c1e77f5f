-- Reads one fit; leans on fit_run_pkey.
SELECT
    fit_run_id,
    instrument_id,
    timeframe,
    data_xid::text,
    code_version,
    parameters,
    recorded_at,
    range_start,
    range_end,
    read_at,
    input_sha256,
    parent_fit_run_id,
    parent_states,
    seed,
    p_value
FROM model.fit_run
WHERE fit_run_id = %(fit_run_id)s
