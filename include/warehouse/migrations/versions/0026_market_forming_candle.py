"""Candles still forming, from final finer ones and the minutes after them."""

from __future__ import annotations

from alembic import op

from include.warehouse.migrations.cascade_reads import (
    FLOATS,
    FORMING,
    SUMS,
    create_forming_candle,
)
from include.warehouse.migrations.comments import comment

revision = "0026"
down_revision = "0025"

VALUES = ", ".join(f"c.{name}" for name in (*FLOATS, "trade_count", "flags"))


def upgrade() -> None:
    sums = ", ".join(
        f"CASE WHEN count(p.{name}) = count(*) THEN sum(p.{name} ORDER BY p.open_time) END"
        + ("::bigint" if name == "trade_count" else "")
        for name in SUMS
    )
    op.execute(f"""
        CREATE OR REPLACE FUNCTION market.forming_candle(timeframe text, at timestamptz)
        RETURNS TABLE (
            candle_timeframe text, instrument_id integer, open_time timestamptz,
            close_time timestamptz, {", ".join(f"{name} double precision" for name in FLOATS)},
            trade_count bigint, flags smallint, children_present integer, children_expected integer
        )
        LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            opens timestamptz;
            closes timestamptz;
            elapsed integer;
            finer record;
            place integer := 0;
            steps text;
            pieces text;
        BEGIN
            SELECT b.opens, market.bucket_end(t.length, b.opens),
                floor(extract(epoch FROM forming_candle.at - b.opens) / 60)
            INTO opens, closes, elapsed
            FROM market.timeframe AS t
            CROSS JOIN LATERAL market.bucket_start(t.length, forming_candle.at) AS b (opens)
            WHERE t.label = forming_candle.timeframe;
            IF elapsed IS NULL OR elapsed < 1 THEN
                RETURN;
            END IF;
            -- Of every instrument what is still wanted, and level by level what there is of it.
            steps := 'left_0 AS (SELECT i.instrument_id, tstzrange($1, $2) AS part '
                'FROM market.instrument AS i)';
            FOR finer IN
                WITH RECURSIVE chain AS (
                    SELECT t.source AS label, 1 AS step FROM market.timeframe AS t
                    WHERE t.label = forming_candle.timeframe
                    UNION ALL
                    SELECT t.source, chain.step + 1
                    FROM chain JOIN market.timeframe AS t ON t.label = chain.label
                )
                SELECT t.label, t.dataset, t.length
                FROM market.timeframe AS t
                LEFT JOIN chain ON chain.label = t.label
                WHERE chain.step IS NOT NULL OR t.label = '1m'
                ORDER BY chain.step NULLS LAST
            LOOP
                place := place + 1;
                -- A final candle stands for its minutes only if it lacks none: so they are counted.
                -- OFFSET keeps each span a walk along the key, whatever the planner believes.
                steps := steps || format($step$
                    , pieces_%1$s AS (
                        SELECT l.instrument_id, c.*
                        FROM left_%2$s AS l
                        CROSS JOIN LATERAL (
                            SELECT c.open_time, %5$s AS minutes, {VALUES}
                            FROM market.%3$I AS c
                            WHERE c.instrument_id = l.instrument_id
                                AND c.open_time >= %6$L AND c.open_time < %7$L
                                AND c.open_time >= lower(l.part)
                                AND c.open_time <= upper(l.part) - interval %4$L %8$s
                            OFFSET 0
                        ) AS c
                    ),
                    left_%1$s AS (
                        SELECT l.instrument_id, unnest(l.whole - coalesce(p.had, '{{}}')) AS part
                        FROM (
                            SELECT instrument_id, range_agg(part) AS whole
                            FROM left_%2$s GROUP BY instrument_id
                        ) AS l
                        LEFT JOIN (
                            SELECT instrument_id,
                                range_agg(tstzrange(open_time, open_time + interval %4$L)) AS had
                            FROM pieces_%1$s GROUP BY instrument_id
                        ) AS p USING (instrument_id)
                    )
                    $step$, place, place - 1, finer.dataset, finer.length,
                    extract(epoch FROM finer.length)::bigint / 60, opens, forming_candle.at,
                    CASE WHEN finer.label <> '1m' THEN 'AND (c.flags & 8) = 0' ELSE '' END);
                pieces := concat_ws(' UNION ALL ', pieces, 'SELECT * FROM pieces_' || place);
            END LOOP;
            RETURN QUERY EXECUTE format($query$
                WITH %s
                SELECT $3, p.instrument_id, $1, $4,
                    (array_agg(p.open ORDER BY p.open_time))[1], max(p.high), min(p.low),
                    (array_agg(p.close ORDER BY p.open_time DESC))[1], {sums},
                    (bit_or(p.flags) | CASE WHEN sum(p.minutes) < $5 THEN 8 ELSE 0 END)::smallint,
                    sum(p.minutes)::integer, $5
                FROM (%s) AS p
                GROUP BY p.instrument_id
            $query$, steps, pieces)
            USING opens, forming_candle.at, forming_candle.timeframe, closes, elapsed;
        END
        $$
    """)  # noqa: S608 - our own names
    comment(
        "FUNCTION",
        FORMING,
        "The candle of each instrument whose bucket holds the instant, from what had closed by "
        "then: final finer candles that lack no minute, and the minutes they do not cover. "
        "Provisional, and stored nowhere. children_expected are the minutes gone by. Sums are "
        "added in order of time, so they may differ from the final ones in the last digit.",
    )


def downgrade() -> None:
    op.execute("DROP VIEW market.provisional_candle")
    op.execute(f"DROP FUNCTION {FORMING}")
    create_forming_candle()
