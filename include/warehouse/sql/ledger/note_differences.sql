-- Notes candles that two accounts tell differently, once each; leans on reconciliation_open.
INSERT INTO ledger.reconciliation AS known (
    instrument_id, timeframe, open_time, left_source, right_source, kind, columns, left_values,
    right_values, first_seen_at, last_seen_at
)
SELECT
    %(instrument_id)s,
    %(timeframe)s,
    found.open_time,
    %(left_source)s,
    %(right_source)s,
    found.kind,
    string_to_array(found.columns, ','),
    found.left_values::jsonb,
    found.right_values::jsonb,
    %(at)s::timestamptz,
    %(at)s::timestamptz
FROM unnest(
    %(open_time)s::timestamptz[], %(kind)s::text[], %(columns)s::text[], %(left_values)s::text[],
    %(right_values)s::text[]
) AS found (open_time, kind, columns, left_values, right_values)
ORDER BY found.open_time
ON CONFLICT (instrument_id, timeframe, open_time, left_source, right_source) WHERE gone_at IS NULL
DO UPDATE SET
    kind = excluded.kind,
    columns = excluded.columns,
    left_values = excluded.left_values,
    right_values = excluded.right_values,
    last_seen_at = greatest(known.last_seen_at, excluded.last_seen_at)
