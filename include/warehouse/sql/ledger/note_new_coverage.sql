-- Files a change for spans newly proven in which their load wrote no row; leans on coverage_pkey and
-- change_load.
INSERT INTO ledger.change (dataset, instrument_id, span_start, span_end, reason, load_id)
SELECT
    %(dataset)s,
    told.instrument_id,
    lower(part),
    upper(part),
    'new',
    told.load_id
FROM unnest(
    %(load_ids)s::bigint[], %(instrument_ids)s::integer[], %(proven)s::tstzmultirange[]
) AS told (load_id, instrument_id, proven)
CROSS JOIN LATERAL unnest(
    told.proven
    - coalesce(
        (
            SELECT covered FROM ledger.coverage
            WHERE dataset = %(dataset)s AND instrument_id = told.instrument_id
        ),
        '{}'
    )
    - coalesce(
        (
            SELECT range_agg(tstzrange(span_start, span_end)) FROM ledger.change
            WHERE load_id = told.load_id AND instrument_id = told.instrument_id
        ),
        '{}'
    )
) AS part
