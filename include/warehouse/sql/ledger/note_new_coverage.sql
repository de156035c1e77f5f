-- Files a change for spans newly proven in which their load wrote no row; leans on coverage_pkey and
-- change_load.
WITH told AS (
    SELECT
        load_id,
        instrument_id,
        range_agg(proven) AS proven
    FROM unnest(
        %(load_ids)s::bigint[], %(instrument_ids)s::integer[], %(proven)s::tstzmultirange[]
    ) AS stated (load_id, instrument_id, proven)
    GROUP BY load_id, instrument_id
),

written AS (
    SELECT
        load_id,
        instrument_id,
        range_agg(tstzrange(span_start, span_end)) AS spans
    FROM ledger.change
    WHERE load_id = ANY(%(distinct_load_ids)s::bigint[])
    GROUP BY load_id, instrument_id
)

INSERT INTO ledger.change (dataset, instrument_id, span_start, span_end, reason, load_id)
SELECT
    %(dataset)s,
    told.instrument_id,
    lower(part),
    upper(part),
    'new',
    told.load_id
FROM told
LEFT JOIN ledger.coverage AS known
    ON known.dataset = %(dataset)s AND told.instrument_id = known.instrument_id
LEFT JOIN written
    ON told.load_id = written.load_id AND told.instrument_id = written.instrument_id
CROSS JOIN LATERAL unnest(
    told.proven - coalesce(known.covered, '{}') - coalesce(written.spans, '{}')
) AS part
