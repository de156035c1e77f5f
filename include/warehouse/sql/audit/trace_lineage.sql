-- Holds rows against the loads they name: same dataset and source, inside its span, stored with it,
-- and told of by a change of it; reads the whole partition, leans on load_pkey and change_load.
WITH told AS (
    SELECT
        load_id,
        instrument_id,
        range_agg(tstzrange(span_start, span_end)) AS spans
    FROM ledger.change
    WHERE
        dataset = %(dataset)s
        AND span_start < %(to_time)s
        AND span_end > %(from_time)s
    GROUP BY load_id, instrument_id
)

SELECT
    stored.instrument_id,
    stored.open_time,
    stored.open_time + %(length)s::interval,
    CASE
        WHEN load.dataset <> %(dataset)s THEN format('load %%s stored %%s', load_id, load.dataset)
        WHEN stored.source <> load.source
            THEN format('source %%s, but load %%s came by %%s', stored.source, load_id, load.source)
        WHEN stored.open_time < load.span_start OR stored.open_time >= load.span_end
            THEN format('load %%s speaks for another span', load_id)
        WHEN (told.spans @> stored.open_time) IS NOT TRUE
            THEN format('load %%s filed no change for it', load_id)
        ELSE format(
            'recorded at %%s, but load %%s at %%s', stored.recorded_at, load_id, load.recorded_at
        )
    END
FROM {table} AS stored
INNER JOIN ledger.load AS load USING (load_id)
LEFT JOIN told USING (load_id, instrument_id)
WHERE
    load.dataset <> %(dataset)s
    OR stored.source <> load.source
    OR stored.open_time < load.span_start
    OR stored.open_time >= load.span_end
    OR (told.spans @> stored.open_time) IS NOT TRUE
    OR stored.recorded_at < load.recorded_at
    OR (stored.revision = 1 AND stored.recorded_at > load.recorded_at)
ORDER BY 1, 2
LIMIT %(limit)s
