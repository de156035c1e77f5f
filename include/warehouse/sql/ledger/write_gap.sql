-- Stores one open or filled gap; leans on gap_written_once.
INSERT INTO ledger.gap (
    dataset, instrument_id, span_start, span_end, reason, attempts, next_attempt_at, proof,
    found_at, outage_id, given_up_at, closed_at
)
VALUES (
    %(dataset)s, %(instrument_id)s, %(span_start)s, %(span_end)s, %(reason)s, %(attempts)s,
    %(next_attempt_at)s, %(proof)s, coalesce(%(found_at)s::timestamptz, now()), %(outage_id)s,
    %(given_up_at)s, CASE WHEN %(is_filled)s THEN clock_timestamp() END
)
