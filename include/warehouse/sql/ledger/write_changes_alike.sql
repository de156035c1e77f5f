-- Files the same run of new rows for many instruments of one load; leans on no index.
INSERT INTO ledger.change (dataset, instrument_id, span_start, span_end, reason, load_id)
SELECT
    %(dataset)s,
    instrument_id,
    %(span_start)s,
    %(span_end)s,
    'new',
    %(load_id)s
FROM unnest(%(instrument_ids)s::integer[]) AS instrument_id
