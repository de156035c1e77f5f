-- Files the runs of new rows of many loads; leans on no index.
INSERT INTO ledger.change (dataset, instrument_id, span_start, span_end, reason, load_id)
SELECT
    %(dataset)s,
    instrument_id,
    span_start,
    span_end,
    'new',
    load_id
FROM unnest(
    %(load_ids)s::bigint[], %(instrument_ids)s::integer[], %(span_starts)s::timestamptz[],
    %(span_ends)s::timestamptz[]
) AS told (load_id, instrument_id, span_start, span_end)
