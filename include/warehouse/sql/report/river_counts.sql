-- Gives one row of totals over the river; leans on no index, for the tables counted are small.
SELECT
    (SELECT min(lower(covered)) FROM ledger.coverage WHERE dataset = 'candle_1m'),
    (SELECT max(upper(covered)) FROM ledger.coverage WHERE dataset = 'candle_1m'),
    (SELECT count(*) FROM ledger.quarantine WHERE state <> 'released'),
    (SELECT count(*) FROM model.segment JOIN model.fit_run USING (fit_run_id) WHERE is_current),
    (
        SELECT count(*) FROM model.fit_run
        WHERE is_current AND parameters ->> 'declined_reason' IS NULL
    ),
    (
        SELECT count(*) FROM model.fit_run
        WHERE is_current AND parameters ->> 'declined_reason' IS NOT NULL
    )
