-- Files a change for spans whose rows went away; leans on no index.
INSERT INTO ledger.change (dataset, instrument_id, span_start, span_end, reason, load_id)
SELECT
    %(dataset)s,
    instrument_id,
    span_start,
    span_end,
    'withdrawn',
    %(load_id)s
FROM unnest(
    %(instrument_ids)s::integer[], %(span_starts)s::timestamptz[], %(span_ends)s::timestamptz[]
) AS told (instrument_id, span_start, span_end)
