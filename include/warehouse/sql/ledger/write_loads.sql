-- Writes the receipts of first loads under ids given out before; leans on no index.
INSERT INTO ledger.load (
    load_id, dataset, venue, symbol, source, run_id, span_start, span_end, rows_in, rows_inserted,
    rows_updated, rows_unchanged, rows_quarantined, payload_sha256, fencing_token, observed_at,
    recorded_at
)
OVERRIDING SYSTEM VALUE
SELECT
    load_id,
    %(dataset)s,
    venue,
    symbol,
    source,
    %(run_id)s,
    span_start,
    span_end,
    rows_in,
    rows_in,
    0,
    0,
    0,
    payload_sha256,
    fencing_token,
    observed_at,
    %(recorded_at)s
FROM unnest(
    %(load_ids)s::bigint[], %(venues)s::text[], %(symbols)s::text[], %(sources)s::text[],
    %(span_starts)s::timestamptz[], %(span_ends)s::timestamptz[], %(rows_in)s::bigint[],
    %(payloads)s::text[], %(fencing_tokens)s::bigint[], %(observed_at)s::timestamptz[]
) AS told (
    load_id, venue, symbol, source, span_start, span_end, rows_in, payload_sha256, fencing_token,
    observed_at
)
