-- Writes what a comparison of two accounts came to; leans on reconciliation_run_pkey.
INSERT INTO ledger.reconciliation_run (
    instrument_id, timeframe, span_start, span_end, left_source, right_source,
    compared, equal, rounding, incomplete, differing
)
VALUES (
    %(instrument_id)s, %(timeframe)s, %(span_start)s, %(span_end)s, %(left_source)s,
    %(right_source)s, %(compared)s, %(equal)s, %(rounding)s, %(incomplete)s, %(differing)s
)
ON CONFLICT (instrument_id, timeframe, span_start, span_end, left_source, right_source)
DO UPDATE SET
    compared = excluded.compared,
    equal = excluded.equal,
    rounding = excluded.rounding,
    incomplete = excluded.incomplete,
    differing = excluded.differing,
    recorded_at = clock_timestamp()
