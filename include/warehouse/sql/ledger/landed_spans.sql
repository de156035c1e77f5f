-- Spans of one symbol that one run has landed already; leans on landing_run.
SELECT span_start, span_end
FROM ledger.landing
WHERE run_id = %(run_id)s AND venue = %(venue)s AND symbol = %(symbol)s
