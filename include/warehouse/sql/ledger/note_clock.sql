-- Keeps a reading of a venue's clock: every one that is skewed, of the others one an hour; tells
-- whether it was kept. Leans on clock_reading_pkey.
WITH kept AS (
    INSERT INTO ledger.clock_reading (venue, measured_at, offset_ms, bound_ms, is_skewed)
    SELECT
        %(venue)s::text,
        %(measured_at)s::timestamptz,
        %(offset_ms)s::float8,
        %(bound_ms)s::float8,
        stated.is_skewed
    FROM (
        SELECT abs(%(offset_ms)s::float8) - %(bound_ms)s::float8 > %(tolerance_ms)s::float8
            AS is_skewed
    ) AS stated
    WHERE
        stated.is_skewed
        OR NOT EXISTS (
            SELECT FROM ledger.clock_reading AS earlier
            WHERE
                earlier.venue = %(venue)s::text
                AND earlier.measured_at > %(measured_at)s::timestamptz - interval '1 hour'
                AND earlier.measured_at <= %(measured_at)s::timestamptz
                AND NOT earlier.is_skewed
        )
    ON CONFLICT (venue, measured_at) DO NOTHING
    RETURNING venue
)

SELECT EXISTS (SELECT FROM kept)
