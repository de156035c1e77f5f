-- Stores what one expectation found in a run; leans on quality_result_pkey.
INSERT INTO ledger.quality_result (
    quality_run_id, place, expectation, columns, rule, severity, success, unexpected_count,
    unexpected_percent, examples
)
VALUES (
    %(quality_run_id)s, %(place)s, %(expectation)s, %(columns)s, %(rule)s, %(severity)s,
    %(success)s, %(unexpected_count)s, %(unexpected_percent)s, %(examples)s
)
