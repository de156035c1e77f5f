-- Writes the receipt of a load; its instant is taken now, under the locks. Leans on no index.
INSERT INTO ledger.load (
    dataset, venue, symbol, source, run_id, span_start, span_end, rows_in, rows_inserted,
    rows_updated, rows_unchanged, rows_quarantined, payload_sha256, fencing_token, observed_at,
    confirms_span
)
VALUES (
    %(dataset)s, %(venue)s, %(symbol)s, %(source)s, %(run_id)s, %(span_start)s, %(span_end)s,
    %(rows_in)s, %(rows_inserted)s, %(rows_updated)s, %(rows_unchanged)s, %(rows_quarantined)s,
    %(payload_sha256)s, %(fencing_token)s,
    coalesce(%(observed_at)s::timestamptz, clock_timestamp()),
    coalesce(
        %(rows_accepted)s * %(step)s::interval
        = %(span_end)s::timestamptz - %(span_start)s::timestamptz,
        false
    )
)
RETURNING load_id, recorded_at
