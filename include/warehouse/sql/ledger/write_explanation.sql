-- Writes the receipt of gaps explained anew, for the changes that tells of; leans on no index.
INSERT INTO ledger.load (
    dataset, venue, source, run_id, span_start, span_end, rows_in, rows_inserted, rows_updated,
    rows_unchanged, rows_quarantined, observed_at
)
VALUES (
    %(dataset)s, %(venue)s, 'explanation', %(run_id)s, %(span_start)s, %(span_end)s, 0, 0, 0, 0, 0,
    clock_timestamp()
)
RETURNING load_id
