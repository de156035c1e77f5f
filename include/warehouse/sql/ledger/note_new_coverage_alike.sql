-- Does what note_new_coverage does, for series that one load proves the same spans of; leans on
-- coverage_pkey and change_load.
INSERT INTO ledger.change (dataset, instrument_id, span_start, span_end, reason, load_id)
SELECT
    %(dataset)s,
    told.instrument_id,
    lower(part),
    upper(part),
    'new',
    %(load_id)s
FROM (
    SELECT DISTINCT instrument_id
    FROM unnest(%(instrument_ids)s::integer[]) AS stated (instrument_id)
) AS told
LEFT JOIN ledger.coverage AS known
    ON known.dataset = %(dataset)s AND told.instrument_id = known.instrument_id
LEFT JOIN (
    SELECT
        instrument_id,
        range_agg(tstzrange(span_start, span_end)) AS spans
    FROM ledger.change
    WHERE load_id = %(load_id)s
    GROUP BY instrument_id
) AS written ON told.instrument_id = written.instrument_id
CROSS JOIN LATERAL unnest(
    %(proven)s::tstzmultirange - coalesce(known.covered, '{}') - coalesce(written.spans, '{}')
) AS part
