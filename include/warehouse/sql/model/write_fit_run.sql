-- Enters a fit as the current one; leans on fit_one_current.
INSERT INTO model.fit_run (instrument_id, timeframe, data_xid, code_version, parameters)
VALUES (
    %(instrument_id)s, %(timeframe)s, %(data_xid)s::text::xid8, %(code_version)s, %(parameters)s
)
RETURNING fit_run_id
