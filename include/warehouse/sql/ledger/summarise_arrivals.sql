-- Tells, per instrument, how the 1m candles of a span came: when, how often, how often otherwise.
-- Leans on the candles' primary key and months, candle_revision_pkey, change_by_xid and
-- quarantine_told_at; reads the months of the span.
WITH stored AS (
    SELECT
        candle.instrument_id,
        count(*) AS minutes,
        count(*) FILTER (WHERE candle.revision > 1) AS revised,
        count(*) FILTER (WHERE candle.flags & 1 <> 0) AS snapped,
        count(*) FILTER (WHERE candle.flags & 2 <> 0) AS truncated,
        percentile_disc(ARRAY[0.5, 0.95, 1.0]) WITHIN GROUP (
            ORDER BY extract(
                epoch FROM coalesce(first.observed_at, load.observed_at) - candle.open_time
            )::float8 - 60
        ) AS lateness_s
    FROM market.candle_1m AS candle
    INNER JOIN ledger.load AS load ON candle.load_id = load.load_id
    LEFT JOIN market.candle_revision AS former
        ON
            candle.revision > 1
            AND former.timeframe = '1m'
            AND former.instrument_id = candle.instrument_id
            AND former.open_time = candle.open_time
            AND former.revision = 1
    LEFT JOIN ledger.load AS first ON former.load_id = first.load_id
    WHERE candle.open_time >= %(span_start)s AND candle.open_time < %(span_end)s
    GROUP BY candle.instrument_id
),

repaired AS (
    SELECT
        instrument_id,
        sum(
            extract(
                epoch FROM least(span_end, %(span_end)s) - greatest(span_start, %(span_start)s)
            ) / 60
        )::bigint AS minutes
    FROM ledger.change
    WHERE
        dataset = 'candle_1m'
        AND reason = 'repaired'
        AND span_start < %(span_end)s
        AND span_end > %(span_start)s
    GROUP BY instrument_id
),

refused AS (
    SELECT
        alias.instrument_id,
        count(*) FILTER (WHERE lost.rule = 'duplicate_row') AS repeats,
        count(*) FILTER (WHERE lost.rule = 'duplicate_key') AS contradictions,
        count(*) FILTER (WHERE lost.rule IN ('superseded', 'outranked')) AS overruled
    FROM ledger.quarantine AS lost
    INNER JOIN market.venue AS venue ON lost.venue = venue.name
    INNER JOIN market.instrument_alias AS alias
        ON
            venue.venue_id = alias.venue_id
            AND lost.symbol = alias.symbol
            AND alias.valid_during @> lost.open_time
    WHERE
        lost.dataset = 'candle_1m'
        AND lost.open_time IS NOT NULL
        AND coalesce(lost.open_time, lost.recorded_at) >= %(span_start)s
        AND coalesce(lost.open_time, lost.recorded_at) < %(span_end)s
        AND lost.rule IN ('duplicate_row', 'duplicate_key', 'superseded', 'outranked')
    GROUP BY alias.instrument_id
)

SELECT
    venue.name,
    instrument.symbol,
    stored.minutes,
    stored.revised,
    coalesce(repaired.minutes, 0),
    coalesce(refused.repeats, 0),
    coalesce(refused.contradictions, 0),
    coalesce(refused.overruled, 0),
    stored.snapped,
    stored.truncated,
    stored.lateness_s
FROM stored
INNER JOIN market.instrument AS instrument ON stored.instrument_id = instrument.instrument_id
INNER JOIN market.venue AS venue ON instrument.venue_id = venue.venue_id
LEFT JOIN repaired ON stored.instrument_id = repaired.instrument_id
LEFT JOIN refused ON stored.instrument_id = refused.instrument_id
ORDER BY venue.name, instrument.symbol
