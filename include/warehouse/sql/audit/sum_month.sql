-- Adds up one month of a table per series and hour: every row recorded up to an instant of each
-- series, those replaced before and since included. Reads the whole partition and leans on
-- candle_revision_pkey. hash_record_extended takes every
-- column in; the exclusive or of all rows does not depend on their order.
WITH asked AS (
    SELECT * FROM unnest(%(instrument_ids)s::integer[], %(instants)s::timestamptz[])
        AS series (instrument_id, instant)
),

standing AS (
    SELECT {columns}
    FROM {table} AS stored
    INNER JOIN asked USING (instrument_id)
    WHERE
        stored.recorded_at <= asked.instant
        AND stored.open_time >= %(from_time)s
        AND stored.open_time < %(to_time)s
    UNION ALL
    SELECT {replaced_columns}
    FROM market.candle_revision AS stored
    INNER JOIN asked USING (instrument_id)
    WHERE
        stored.timeframe = %(timeframe)s
        AND stored.open_time >= %(from_time)s
        AND stored.open_time < %(to_time)s
        AND lower(stored.recorded_during) <= asked.instant
)

SELECT
    instrument_id,
    (extract(epoch FROM open_time - %(from_time)s)::bigint / 3600)::integer,
    bit_xor(hash_record_extended(standing, 0)),
    count(*)
FROM standing
GROUP BY 1, 2
ORDER BY 1, 2
