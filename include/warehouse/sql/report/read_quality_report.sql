-- Lists how well each instrument and day stand; reads the whole of what the function
-- report.quality_report gives, which leans on gap_open, coverage_pkey, quarantine_told_at,
-- candle_revision_pkey, drift_verdict_window and reconciliation_open.
SELECT
    instrument_id,
    venue,
    symbol,
    day,
    minutes,
    present,
    not_loaded,
    explained,
    unexplained,
    quarantined,
    revisions,
    gate_blocks,
    drift_alarms,
    differences,
    noticed_after,
    open_for,
    repaired_after
FROM report.quality_report(%(from_day)s, %(to_day)s, %(at)s)
ORDER BY day, venue, symbol, instrument_id
