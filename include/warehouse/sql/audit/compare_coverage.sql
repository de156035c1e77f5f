-- Holds one month of rows against coverage and gaps; leans on the candles' primary key,
-- coverage_pkey and gap_open. Covered is what is stored or explained, no more and no less.
WITH steps AS (
    SELECT
        instrument_id,
        open_time,
        lag(open_time) OVER (PARTITION BY instrument_id ORDER BY open_time) AS previous
    FROM {table}
),

stored AS (
    SELECT
        instrument_id,
        tstzmultirange(tstzrange(min(open_time), max(open_time) + %(length)s::interval))
        - coalesce(
            range_agg(tstzrange(previous + %(length)s::interval, open_time))
            FILTER (WHERE open_time > previous + %(length)s::interval),
            '{{}}'
        ) AS spans
    FROM steps
    GROUP BY instrument_id
),

proven AS (
    SELECT
        instrument_id,
        covered * tstzmultirange(tstzrange(%(from_time)s, %(to_time)s)) AS spans
    FROM ledger.coverage
    WHERE dataset = %(dataset)s
),

absent AS (
    SELECT
        instrument_id,
        range_agg(tstzrange(span_start, span_end)) AS spans,
        coalesce(
            range_agg(tstzrange(span_start, span_end)) FILTER (WHERE ledger.is_explained(reason)),
            '{{}}'
        ) AS explained
    FROM ledger.gap
    WHERE
        dataset = %(dataset)s
        AND closed_at IS NULL
        AND span_start < %(to_time)s
        AND span_end > %(from_time)s
    GROUP BY instrument_id
),

series AS (
    SELECT
        instrument_id,
        coalesce(stored.spans, '{{}}') AS stored,
        coalesce(proven.spans, '{{}}') AS proven,
        coalesce(absent.spans, '{{}}') AS absent,
        coalesce(absent.explained, '{{}}') AS explained
    FROM stored
    FULL JOIN proven USING (instrument_id)
    FULL JOIN absent USING (instrument_id)
)

SELECT
    series.instrument_id,
    lower(found.part),
    upper(found.part),
    found.detail
FROM series
CROSS JOIN LATERAL (
    SELECT
        unnest(series.proven - series.stored - series.explained) AS part,
        'covered, but neither stored nor explained by a gap' AS detail
    UNION ALL
    SELECT
        unnest(series.stored - series.proven),
        'stored, but not covered'
    UNION ALL
    SELECT
        unnest(series.stored * series.absent),
        'stored, but an open gap says it is absent'
) AS found
UNION ALL
SELECT
    instrument_id,
    open_time,
    open_time + %(length)s::interval,
    'stored off the grid or twice'
FROM steps
WHERE open_time < previous + %(length)s::interval
ORDER BY 1, 2
LIMIT %(limit)s
