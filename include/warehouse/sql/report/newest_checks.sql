-- Lists the newest run of every suite over every dataset; leans on quality_run_newest.
SELECT DISTINCT ON (checkpoint, suite, dataset)
    checkpoint,
    suite,
    dataset,
    rows,
    expectations,
    failed_block,
    failed_warn,
    failed_info,
    success,
    run_at
FROM ledger.quality_run
WHERE run_at > %(since)s AND run_at <= %(until)s
ORDER BY checkpoint DESC, suite, dataset, run_at DESC, quality_run_id DESC
