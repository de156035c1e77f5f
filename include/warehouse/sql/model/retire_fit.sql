-- Turns the current fit into history; leans on fit_one_current.
UPDATE model.fit_run SET is_current = false
WHERE instrument_id = %(instrument_id)s AND timeframe = %(timeframe)s AND is_current
