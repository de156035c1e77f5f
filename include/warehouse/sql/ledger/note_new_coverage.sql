-- Files a change for spans newly proven in which this load wrote no row; leans on coverage_pkey and
-- change_load.
INSERT INTO ledger.change (dataset, instrument_id, span_start, span_end, reason, load_id)
SELECT %(dataset)s, %(instrument_id)s, lower(part), upper(part), 'new', %(load_id)s
FROM unnest(
    %(proven)s::tstzmultirange
    - coalesce(
        (
            SELECT covered FROM ledger.coverage
            WHERE dataset = %(dataset)s AND instrument_id = %(instrument_id)s
        ),
        '{}'
    )
    - coalesce(
        (
            SELECT range_agg(tstzrange(span_start, span_end)) FROM ledger.change
            WHERE load_id = %(load_id)s AND instrument_id = %(instrument_id)s
        ),
        '{}'
    )
) AS part
