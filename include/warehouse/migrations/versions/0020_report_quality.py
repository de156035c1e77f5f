"""What the pictures and the summary of quality are drawn from: functions, no stored rows.

They read the ledger alone and no candle, so that a year of hundreds of instruments is a matter of
seconds; that the ledger says of the candles what is true is the audit's work.
"""

from __future__ import annotations

from alembic import op

from include.warehouse.migrations.comments import comment

revision = "0020"
down_revision = "0019"

# What is true of a whole life outranks what is true of a day, as in include/warehouse/expected.py.
KNOWN = ("pre_listing", "delisted", "halted", "no_trade")
STATE = "report.minute_state(timestamptz, timestamptz)"
BY_DAY = "report.minute_state_by_day(date, date, timestamptz)"
REPORT = "report.quality_report(date, date, timestamptz)"


def upgrade() -> None:
    _create_minute_state()
    _create_minute_state_by_day()
    _create_quality_report()
    # Rows refused by day: of their arrival for the timeline, of their own time for the report.
    op.execute("CREATE INDEX quarantine_refused_at ON ledger.quarantine (recorded_at)")
    op.execute("""
        CREATE INDEX quarantine_told_at ON ledger.quarantine (coalesce(open_time, recorded_at))
    """)


def downgrade() -> None:
    op.execute("DROP INDEX ledger.quarantine_refused_at, ledger.quarantine_told_at")
    for function in (REPORT, BY_DAY, STATE):
        op.execute(f"DROP FUNCTION {function}")


def _create_minute_state() -> None:
    # Each reason takes what no earlier one has taken, so that every minute has one state.
    taken: list[str] = []
    parts = []
    for reason in KNOWN:
        rest = " - ".join(["s.unasked", *(f"s.{one}" for one in taken)])
        parts.append(f"('{reason}', ({rest}) * s.{reason})")
        taken.append(reason)
    parts.append(f"('not_loaded', {' - '.join(['s.unasked', *(f's.{one}' for one in KNOWN)])})")
    known = ", ".join(
        f"coalesce(range_agg(k.absent) FILTER (WHERE k.reason = '{reason}'), '{{}}') AS {reason}"
        for reason in KNOWN
    )
    op.execute(f"""
        CREATE FUNCTION report.minute_state(since timestamptz, until timestamptz)
        RETURNS TABLE (instrument_id integer, state text, spans tstzmultirange)
        LANGUAGE sql STABLE PARALLEL SAFE
        BEGIN ATOMIC
            WITH gap AS (
                SELECT g.instrument_id, g.reason,
                    range_agg(tstzrange(g.span_start, g.span_end))
                        * tstzmultirange(tstzrange(minute_state.since, minute_state.until))
                        AS spans
                FROM ledger.gap AS g
                WHERE g.dataset = 'candle_1m' AND g.closed_at IS NULL
                    AND g.span_start < minute_state.until AND g.span_end > minute_state.since
                GROUP BY g.instrument_id, g.reason
            ), known AS (
                SELECT i.instrument_id, {known}
                FROM market.instrument AS i
                LEFT JOIN LATERAL market.known_absence(
                    i.instrument_id, tstzrange(minute_state.since, minute_state.until)
                ) AS k ON true
                GROUP BY i.instrument_id
            ), stored AS (
                SELECT k.*,
                    coalesce(c.covered, '{{}}')
                        * tstzmultirange(tstzrange(minute_state.since, minute_state.until))
                        AS covered,
                    coalesce((
                        SELECT range_agg(g.spans) FROM gap AS g
                        WHERE g.instrument_id = k.instrument_id
                    ), '{{}}') AS absent
                FROM known AS k
                LEFT JOIN ledger.coverage AS c
                    ON c.dataset = 'candle_1m' AND c.instrument_id = k.instrument_id
            ), settled AS (
                SELECT t.*,
                    tstzmultirange(tstzrange(minute_state.since, minute_state.until))
                        - t.covered - t.absent AS unasked
                FROM stored AS t
            ), told AS (
                SELECT g.instrument_id, g.reason AS state, g.spans FROM gap AS g
                UNION ALL
                SELECT s.instrument_id, 'present', s.covered - s.absent FROM settled AS s
                UNION ALL
                SELECT s.instrument_id, p.state, p.spans
                FROM settled AS s
                CROSS JOIN LATERAL (VALUES {", ".join(parts)}) AS p (state, spans)
            )
            SELECT w.instrument_id, w.state, range_agg(w.spans)
            FROM told AS w
            WHERE NOT isempty(w.spans)
            GROUP BY w.instrument_id, w.state;
        END
    """)  # noqa: S608 - our own names
    comment(
        "FUNCTION",
        STATE,
        "How every minute of [since, until) stands, for every instrument: present, a reason of "
        "ledger.gap, or not_loaded: neither stored nor explained nor ever asked for. The spans of "
        "one instrument do not overlap and leave nothing out.",
    )


def _create_minute_state_by_day() -> None:
    op.execute("""
        CREATE FUNCTION report.minute_state_by_day(
            from_day date, to_day date, at timestamptz
        )
        RETURNS TABLE (instrument_id integer, day date, state text, minutes integer)
        LANGUAGE sql STABLE PARALLEL SAFE
        BEGIN ATOMIC
            SELECT pieces.instrument_id, (pieces.midnight AT TIME ZONE 'UTC')::date, pieces.state,
                sum(
                    ceil(extract(epoch FROM least(upper(pieces.piece),
                        date_add(pieces.midnight, interval '1 day', 'UTC'))) / 60)
                    - ceil(extract(epoch FROM greatest(lower(pieces.piece), pieces.midnight)) / 60)
                )::integer
            FROM (
                SELECT m.instrument_id, m.state, piece, midnight
                FROM report.minute_state(
                    minute_state_by_day.from_day::timestamp AT TIME ZONE 'UTC',
                    least(
                        minute_state_by_day.to_day::timestamp AT TIME ZONE 'UTC',
                        date_trunc('minute', minute_state_by_day.at)
                    )
                ) AS m
                CROSS JOIN LATERAL unnest(m.spans) AS piece
                CROSS JOIN LATERAL generate_series(
                    date_trunc('day', lower(piece), 'UTC'), upper(piece), interval '1 day', 'UTC'
                ) AS midnight
                WHERE midnight < upper(piece)
            ) AS pieces
            GROUP BY pieces.instrument_id, pieces.midnight, pieces.state;
        END
    """)
    comment(
        "FUNCTION",
        BY_DAY,
        "How many minutes of each UTC day in [from_day, to_day) stand how, up to an instant: "
        "report.minute_state, counted. A state without minutes has no row.",
    )


def _create_quality_report() -> None:
    op.execute("""
        CREATE FUNCTION report.quality_report(from_day date, to_day date, at timestamptz)
        RETURNS TABLE (
            instrument_id integer, venue text, symbol text, day date,
            minutes integer, present integer, not_loaded integer,
            explained jsonb, unexplained jsonb,
            quarantined jsonb, revisions integer, gate_blocks integer,
            drift_alarms integer, differences integer,
            noticed_after interval, open_for interval, repaired_after interval
        )
        LANGUAGE sql STABLE PARALLEL SAFE
        BEGIN ATOMIC
            WITH asked AS (
                SELECT quality_report.from_day::timestamp AT TIME ZONE 'UTC' AS since,
                    least(
                        quality_report.to_day::timestamp AT TIME ZONE 'UTC',
                        quality_report.at
                    ) AS until
            ), state AS (
                SELECT m.instrument_id, m.day,
                    sum(m.minutes)::integer AS minutes,
                    coalesce(sum(m.minutes) FILTER (WHERE m.state = 'present'), 0)::integer
                        AS present,
                    coalesce(sum(m.minutes) FILTER (WHERE m.state = 'not_loaded'), 0)::integer
                        AS not_loaded,
                    coalesce(jsonb_object_agg(m.state, m.minutes)
                        FILTER (WHERE ledger.is_explained(m.state)), '{}') AS explained,
                    coalesce(jsonb_object_agg(m.state, m.minutes) FILTER (
                        WHERE m.state NOT IN ('present', 'not_loaded')
                            AND NOT ledger.is_explained(m.state)
                    ), '{}') AS unexplained
                FROM report.minute_state_by_day(
                    quality_report.from_day, quality_report.to_day, quality_report.at
                ) AS m
                GROUP BY m.instrument_id, m.day
            ), refused AS (
                SELECT told.instrument_id, told.day,
                    jsonb_object_agg(told.rule, told.refused) AS quarantined
                FROM (
                    SELECT a.instrument_id, q.rule, count(*) AS refused,
                        (coalesce(q.open_time, q.recorded_at) AT TIME ZONE 'UTC')::date AS day
                    FROM ledger.quarantine AS q
                    CROSS JOIN asked
                    JOIN market.venue AS v ON v.name = q.venue
                    JOIN market.instrument_alias AS a
                        ON a.venue_id = v.venue_id AND a.symbol = q.symbol
                            AND a.valid_during @> coalesce(q.open_time, q.recorded_at)
                    WHERE q.state <> 'released' AND q.dataset = 'candle_1m'
                        AND coalesce(q.open_time, q.recorded_at) >= asked.since
                        AND coalesce(q.open_time, q.recorded_at) < asked.until
                    GROUP BY a.instrument_id, q.rule, day
                ) AS told
                GROUP BY told.instrument_id, told.day
            ), revised AS (
                SELECT i.instrument_id, (r.open_time AT TIME ZONE 'UTC')::date AS day,
                    count(*)::integer AS revisions
                FROM market.instrument AS i
                CROSS JOIN asked
                JOIN market.candle_revision AS r
                    ON r.timeframe = '1m' AND r.instrument_id = i.instrument_id
                        AND r.open_time >= asked.since AND r.open_time < asked.until
                GROUP BY i.instrument_id, day
            ), held AS (
                SELECT a.instrument_id, (midnight AT TIME ZONE 'UTC')::date AS day,
                    count(*)::integer AS gate_blocks
                FROM ledger.landing AS l
                CROSS JOIN asked
                JOIN market.venue AS v ON v.name = l.venue
                JOIN market.instrument_alias AS a
                    ON a.venue_id = v.venue_id AND a.symbol = l.symbol
                        AND a.valid_during @> l.span_start
                CROSS JOIN LATERAL generate_series(
                    date_trunc('day', greatest(l.span_start, asked.since), 'UTC'),
                    least(l.span_end, asked.until), interval '1 day', 'UTC'
                ) AS midnight
                WHERE l.state = 'held' AND midnight < least(l.span_end, asked.until)
                    AND l.span_end > asked.since
                GROUP BY a.instrument_id, day
            ), drifted AS (
                SELECT d.instrument_id, (d.window_end AT TIME ZONE 'UTC')::date AS day,
                    count(*)::integer AS alarms
                FROM ledger.drift_verdict AS d
                CROSS JOIN asked
                WHERE d.alarm AND d.window_end >= asked.since AND d.window_end < asked.until
                GROUP BY d.instrument_id, day
            ), disputed AS (
                SELECT r.instrument_id, (r.open_time AT TIME ZONE 'UTC')::date AS day,
                    count(*)::integer AS differences
                FROM ledger.reconciliation AS r
                CROSS JOIN asked
                WHERE r.gone_at IS NULL
                    AND r.open_time >= asked.since AND r.open_time < asked.until
                GROUP BY r.instrument_id, day
            ), age AS (
                SELECT g.instrument_id, (g.span_start AT TIME ZONE 'UTC')::date AS day,
                    max(greatest(g.found_at - g.span_end, interval '0')) AS noticed_after,
                    max(greatest(quality_report.at - g.found_at, interval '0')) FILTER (
                        WHERE g.closed_at IS NULL AND NOT ledger.is_explained(g.reason)
                    ) AS open_for,
                    max(greatest(g.closed_at - g.found_at, interval '0'))
                        FILTER (WHERE g.closed_at IS NOT NULL) AS repaired_after
                FROM ledger.gap AS g
                CROSS JOIN asked
                WHERE g.dataset = 'candle_1m'
                    AND g.span_start >= asked.since AND g.span_start < asked.until
                GROUP BY g.instrument_id, day
            )
            SELECT i.instrument_id, v.name, i.symbol, state.day,
                state.minutes, state.present, state.not_loaded,
                state.explained, state.unexplained,
                coalesce(refused.quarantined, '{}'),
                coalesce(revised.revisions, 0),
                coalesce(held.gate_blocks, 0),
                coalesce(drifted.alarms, 0),
                coalesce(disputed.differences, 0),
                age.noticed_after,
                age.open_for,
                age.repaired_after
            FROM state
            JOIN market.instrument AS i ON i.instrument_id = state.instrument_id
            JOIN market.venue AS v ON v.venue_id = i.venue_id
            LEFT JOIN refused
                ON refused.instrument_id = state.instrument_id AND refused.day = state.day
            LEFT JOIN revised
                ON revised.instrument_id = state.instrument_id AND revised.day = state.day
            LEFT JOIN held ON held.instrument_id = state.instrument_id AND held.day = state.day
            LEFT JOIN drifted
                ON drifted.instrument_id = state.instrument_id AND drifted.day = state.day
            LEFT JOIN disputed
                ON disputed.instrument_id = state.instrument_id AND disputed.day = state.day
            LEFT JOIN age ON age.instrument_id = state.instrument_id AND age.day = state.day;
        END
    """)
    comment(
        "FUNCTION",
        REPORT,
        "One row per instrument and UTC day of [from_day, to_day), up to an instant: minutes over, "
        "minutes stored, absent for an explained or an unexplained reason (minutes by reason) or "
        "never asked for; rows refused by rule, revisions, batches the gate holds back, drift "
        "alarms of windows that ended, candles that other sources tell differently; how long after "
        "its end the slowest gap was noticed, how long the oldest unexplained one is known, how "
        "long the slowest repair took. The four kinds of minutes add up.",
    )
