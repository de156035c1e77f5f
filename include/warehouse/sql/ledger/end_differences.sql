-- Ends differences of a span that a comparison no longer found; leans on reconciliation_open.
UPDATE ledger.reconciliation SET gone_at = %(at)s
WHERE
    gone_at IS NULL
    AND instrument_id = %(instrument_id)s
    AND timeframe = %(timeframe)s
    AND left_source = %(left_source)s
    AND right_source = %(right_source)s
    AND open_time >= %(span_start)s
    AND open_time < %(span_end)s
    AND open_time <> ALL(%(open_time)s::timestamptz[])
