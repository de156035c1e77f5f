-- Begins the episodes of drifts just found, or goes on with them; leans on drift_episode_open.
INSERT INTO ledger.drift_episode AS known (
    instrument_id, timeframe, kind, measure, advice, began_at, detail, first_seen_at, last_seen_at
)
SELECT
    found.*,
    %(at)s::timestamptz,
    %(at)s::timestamptz
FROM unnest(
    %(instrument_id)s::integer[], %(timeframe)s::text[], %(kind)s::text[], %(measure)s::text[],
    %(advice)s::text[], %(began_at)s::timestamptz[], %(detail)s::text[]
) AS found (instrument_id, timeframe, kind, measure, advice, began_at, detail)
ORDER BY 1, 2, 3, 4
ON CONFLICT (instrument_id, timeframe, kind, measure) WHERE gone_at IS NULL
DO UPDATE SET
    detail = excluded.detail,
    last_seen_at = greatest(known.last_seen_at, excluded.last_seen_at)
