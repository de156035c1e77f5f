-- Notes what an audit found, once each; leans on finding_open.
INSERT INTO ledger.finding AS known (
    check_name, relation, instrument_id, span_start, span_end, detail, repair
)
SELECT *
FROM unnest(
    %(check_names)s::text[], %(relations)s::text[], %(instrument_ids)s::integer[],
    %(starts)s::timestamptz[], %(ends)s::timestamptz[], %(details)s::text[], %(repairs)s::text[]
)
ON CONFLICT (check_name, relation, instrument_id, span_start) WHERE gone_at IS NULL
DO UPDATE SET
    span_end = excluded.span_end,
    detail = excluded.detail,
    repair = excluded.repair,
    last_seen_at = clock_timestamp()
