-- Lists the spans of one series without stored candles; leans on the candles' primary key.
SELECT
    hole_start,
    hole_end
FROM (
    SELECT
        lag(stored.open_time + %(length)s::interval, 1, %(span_start)s) OVER (
            ORDER BY stored.open_time
        ) AS hole_start,
        stored.open_time AS hole_end
    FROM (
        SELECT open_time
        FROM {table}
        WHERE
            instrument_id = %(instrument_id)s
            AND open_time >= %(span_start)s
            AND open_time < %(span_end)s
        UNION ALL
        SELECT %(span_end)s
    ) AS stored
) AS holes
WHERE hole_start < hole_end
ORDER BY hole_start
