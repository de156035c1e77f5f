-- Gives every staged row its fate; leans on alias_by_symbol, the candles' primary key, load_pkey and
-- load_by_symbol. A row is superseded by a stored value observed later, or by a stored value that a
-- later observation of the whole span has confirmed.
CREATE TEMPORARY TABLE candle_judged ON COMMIT DROP AS
SELECT
    staged.position,
    staged.venue,
    staged.symbol,
    staged.owner_id AS instrument_id,
    staged.open_time,
    {staged},
    CASE
        WHEN staged.owner_id IS NULL THEN 'unknown_instrument'
        WHEN NOT staged.is_in_span THEN 'outside_span'
        WHEN staged.turn > 1 THEN 'duplicate_key'
        WHEN stored.instrument_id IS NULL THEN 'new'
        WHEN ({staged}) IS NOT DISTINCT FROM ({stored}) THEN 'same'
        WHEN load.observed_at > %(observed_at)s::timestamptz THEN 'superseded'
        WHEN EXISTS (
            SELECT FROM ledger.load AS later
            WHERE
                later.dataset = %(dataset)s
                AND later.venue = staged.venue
                AND later.symbol = staged.symbol
                AND later.observed_at > %(observed_at)s::timestamptz
                AND later.span_start <= staged.open_time
                AND later.span_end > staged.open_time
                AND (later.rows_inserted + later.rows_updated + later.rows_unchanged) * %(length)s
                = later.span_end - later.span_start
        ) THEN 'superseded'
        ELSE 'revised'
    END AS fate
FROM (
    SELECT
        resolved.*,
        row_number() OVER (
            PARTITION BY resolved.owner_id, resolved.open_time ORDER BY resolved.position DESC
        ) AS turn
    FROM (
        SELECT
            arrived.*,
            coalesce(arrived.instrument_id, alias.instrument_id) AS owner_id,
            arrived.open_time >= %(span_start)s AND arrived.open_time < %(span_end)s AS is_in_span
        FROM pg_temp.candle_staging AS arrived
        LEFT JOIN market.venue AS venue ON arrived.venue = venue.name
        LEFT JOIN market.instrument_alias AS alias
            ON
                venue.venue_id = alias.venue_id
                AND arrived.symbol = alias.symbol
                AND alias.valid_during @> arrived.open_time
    ) AS resolved
) AS staged
LEFT JOIN {table} AS stored
    ON
        staged.owner_id = stored.instrument_id
        AND staged.open_time = stored.open_time
        AND stored.open_time >= %(span_start)s
        AND stored.open_time < %(span_end)s
LEFT JOIN ledger.load AS load ON stored.load_id = load.load_id
