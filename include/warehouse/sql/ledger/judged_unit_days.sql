-- Lists since an instant the days whose units were judged, by instrument; leans on
-- drift_verdict_window.
SELECT DISTINCT
    instrument_id,
    window_end
FROM ledger.drift_verdict
WHERE window_end > %(since)s AND kind = 'unit' AND timeframe = %(timeframe)s
