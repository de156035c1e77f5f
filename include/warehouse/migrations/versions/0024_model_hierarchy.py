"""What a fit was made of, its parents, the features of its segments, and what came after it."""

from __future__ import annotations

from alembic import op

from include.warehouse.migrations.comments import comment, comment_table

revision = "0024"
down_revision = "0023"

LOADER = "candlewick_loader"
FINITE = "BETWEEN float8 '-1e300' AND float8 '1e300'"
LOSS = "BETWEEN float8 '0' AND float8 '1e300'"
SHARE = "BETWEEN float8 '0' AND float8 '1'"
SHA256 = "~ '^[0-9a-f]{64}$'"
# Name, what may be stored, meaning. Null stands for what is not known: there is no NaN.
FEATURES = (
    ("duration_hours", LOSS, "From start_time to end_time."),
    ("max_drawdown", LOSS, "Deepest fall of the log close from a peak before it."),
    ("max_run_up", LOSS, "Highest rise of the log close from a trough before it."),
    ("volume_per_hour", LOSS, "Base volume per hour, over the candles there are."),
    ("volume_first_third", SHARE, "Share of the volume in the first third of the time."),
    ("volume_middle_third", SHARE, "Share of the volume in the middle third of the time."),
    ("volume_last_third", SHARE, "Share of the volume in the last third of the time."),
    ("relative_volume", LOSS, "volume_per_hour by that of the parent's segment."),
    ("age_hours", LOSS, "From start_time to the end of the newest candle of the fit."),
    ("parent_begin", FINITE, "Place of start_time in the parent's segment: 0 start, 1 end."),
    ("parent_end", FINITE, "Place of end_time in it; beyond 1 after the parent's newest candle."),
    ("parent_share", SHARE, "Share of the time that lies in that segment of the parent."),
    ("r1_05", FINITE, "Share of the pinball loss that the line of 0.05 explains: R1."),
    ("r1_25", FINITE, "R1 of the line of 0.25; Koenker and Machado 1999."),
    ("r1_50", FINITE, "R1 of the line of 0.5."),
    ("r1_75", FINITE, "R1 of the line of 0.75."),
    ("r1_95", FINITE, "R1 of the line of 0.95."),
)
LONG = ("candles", "slope_per_hour", "residual_scale", *(name for name, _, _ in FEATURES))


def upgrade() -> None:
    _create_channel_state()
    _extend_fit_run()
    _extend_segment()
    _extend_channel()
    _create_channel_outcome()
    _create_views()
    # The segments of an old fit that was not shown can be computed again, bit for bit; so can the
    # outcome of a candle, which goes when the candle is withdrawn.
    op.execute(f"GRANT DELETE ON model.segment, model.channel_outcome TO {LOADER}")


def downgrade() -> None:
    op.execute(f"REVOKE DELETE ON model.segment FROM {LOADER}")
    op.execute("DROP VIEW model.coherence, model.live_score, model.segment_feature_long")
    op.execute("DROP TABLE model.channel_outcome")
    op.execute("ALTER TABLE model.channel_coefficient DROP COLUMN calibration")
    op.execute("ALTER TABLE model.channel DROP COLUMN baseline_losses, DROP COLUMN baseline_lines")
    dropped = ", ".join(f"DROP COLUMN {name}" for name, _, _ in FEATURES)
    op.execute(f"ALTER TABLE model.segment {dropped}")
    op.execute("""
        ALTER TABLE model.fit_run
            DROP COLUMN range_start, DROP COLUMN range_end, DROP COLUMN read_at,
            DROP COLUMN input_sha256, DROP COLUMN parent_fit_run_id, DROP COLUMN parent_states,
            DROP COLUMN seed, DROP COLUMN p_value
    """)
    op.execute("DROP TABLE model.channel_state")


def _create_channel_state() -> None:
    op.execute(f"""
        CREATE TABLE model.channel_state (
            state_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            instrument_id integer NOT NULL REFERENCES market.instrument,
            timeframe text NOT NULL REFERENCES market.timeframe,
            known_at timestamptz NOT NULL,
            state jsonb NOT NULL CHECK (jsonb_typeof(state) = 'object'),
            sha256 text NOT NULL CONSTRAINT state_sha256 CHECK (sha256 {SHA256}),
            fit_run_id bigint REFERENCES model.fit_run ON DELETE SET NULL,
            recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
        )
    """)
    op.execute("""
        CREATE INDEX state_newest ON model.channel_state
            (instrument_id, timeframe, known_at DESC, state_id DESC)
    """)
    op.execute("CREATE INDEX state_fit_run ON model.channel_state (fit_run_id)")
    comment_table(
        "model.channel_state",
        "What the channels of a timeframe told the finer ones at an instant; never changed, a "
        "newer row of the same instant replaces it.",
        {
            "state_id": "Identity.",
            "instrument_id": "Whose channel.",
            "timeframe": "Of the channel, the parent; see market.timeframe.",
            "known_at": "End of the newest candle it rests on, UTC.",
            "state": "Breaks, newest line and quantile lines, as the children read them.",
            "sha256": "Hash of state, known_at left out.",
            "fit_run_id": "The fit that told it; null where it was computed later, from the "
            "candles until known_at, so that children have a past to judge by.",
            "recorded_at": "When it was stored, UTC.",
        },
    )


def _extend_fit_run() -> None:
    op.execute(f"""
        ALTER TABLE model.fit_run
            ADD COLUMN range_start timestamptz,
            ADD COLUMN range_end timestamptz,
            ADD COLUMN read_at timestamptz,
            ADD COLUMN input_sha256 text CONSTRAINT fit_input_sha256 CHECK (input_sha256 {SHA256}),
            ADD COLUMN parent_fit_run_id bigint REFERENCES model.fit_run ON DELETE SET NULL,
            ADD COLUMN parent_states bigint[] NOT NULL DEFAULT '{{}}',
            ADD COLUMN seed bigint NOT NULL DEFAULT 0,
            ADD COLUMN p_value double precision CONSTRAINT fit_p_value CHECK (p_value {SHARE}),
            ADD CONSTRAINT fit_range CHECK (range_start <= range_end)
    """)
    op.execute("CREATE INDEX fit_parent ON model.fit_run (parent_fit_run_id)")
    op.execute("CREATE INDEX fit_by_end ON model.fit_run (timeframe, instrument_id, range_end)")
    for column, meaning in {
        "range_start": "Start of the span whose candles were read, UTC; null for the oldest fits.",
        "range_end": "End of that span, excluded, UTC.",
        "read_at": "Instant at which the candles were read, UTC: as of then they can be read "
        "again.",
        "input_sha256": "Hash of the candles read and of what the parents told.",
        "parent_fit_run_id": "Fit of the next coarser timeframe whose channel entered; null for "
        "none.",
        "parent_states": "Rows of model.channel_state that entered, the oldest first.",
        "seed": "Seed of what is drawn by chance in the fit.",
        "p_value": "Chance of beating the baselines as clearly without being better; null when "
        "not judged.",
    }.items():
        comment("COLUMN", f"model.fit_run.{column}", meaning)


def _extend_segment() -> None:
    added = ", ".join(
        f"ADD COLUMN {name} double precision CONSTRAINT segment_{name} CHECK ({name} {bounds})"
        for name, bounds, _ in FEATURES
    )
    op.execute(f"ALTER TABLE model.segment {added}")
    for name, _, meaning in FEATURES:
        comment("COLUMN", f"model.segment.{name}", f"{meaning} Null where not known.")


def _extend_channel() -> None:
    op.execute("""
        ALTER TABLE model.channel
            ADD COLUMN baseline_losses jsonb NOT NULL DEFAULT '{}'
                CONSTRAINT channel_baseline_losses
                CHECK (jsonb_typeof(baseline_losses) = 'object'),
            ADD COLUMN baseline_lines jsonb
                CONSTRAINT channel_baseline_lines CHECK (jsonb_typeof(baseline_lines) = 'object')
    """)
    comment(
        "COLUMN",
        "model.channel.baseline_losses",
        "Out-of-sample pinball loss of every baseline, by its name; empty when not judged.",
    )
    comment(
        "COLUMN",
        "model.channel.baseline_lines",
        "What the baseline foretold when the channel was published, as it is scored against; null "
        "when it is not published.",
    )
    op.execute(f"""
        ALTER TABLE model.channel_coefficient
            ADD COLUMN calibration double precision
                CONSTRAINT coefficient_calibration CHECK (calibration {FINITE})
    """)
    comment(
        "COLUMN",
        "model.channel_coefficient.calibration",
        "Added to the line where the channel is shown, so that it covers as it says, in fitted "
        "price units; null when not judged.",
    )


def _create_channel_outcome() -> None:
    op.execute(f"""
        CREATE TABLE model.channel_outcome (
            channel_id bigint NOT NULL REFERENCES model.channel ON DELETE CASCADE,
            step smallint NOT NULL CHECK (step >= 1),
            tau double precision NOT NULL CHECK (tau > 0 AND tau < 1),
            close_time timestamptz NOT NULL,
            loss double precision NOT NULL CHECK (loss {LOSS}),
            baseline_loss double precision NOT NULL CHECK (baseline_loss {LOSS}),
            is_below boolean NOT NULL,
            scored_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (channel_id, step, tau)
        )
    """)
    comment_table(
        "model.channel_outcome",
        "A published channel against one candle that came after it, per quantile line.",
        {
            "channel_id": "The channel.",
            "step": "How many candles after the newest one fitted.",
            "tau": "The line.",
            "close_time": "End of the candle, UTC.",
            "loss": "Pinball loss of the line with its calibration.",
            "baseline_loss": "Pinball loss of what the baseline foretold.",
            "is_below": "Whether the close was below the line.",
            "scored_at": "When it was scored last, UTC; a revised candle is scored again.",
        },
    )


def _create_views() -> None:
    pairs = ", ".join(f"('{name}', s.{name})" for name in LONG)
    op.execute(f"""
        CREATE VIEW model.segment_feature_long AS
        SELECT s.segment_id, s.fit_run_id, s.start_time, s.end_time, each.feature, each.value
        FROM model.segment AS s
        CROSS JOIN LATERAL (VALUES {pairs}) AS each (feature, value)
        WHERE each.value IS NOT NULL
    """)  # noqa: S608 - our own names
    comment_table(
        "model.segment_feature_long",
        "Features of segments with one row per value that is known: wide made long.",
        {
            "segment_id": "The segment.",
            "fit_run_id": "The fit it belongs to.",
            "start_time": "Open time of its first candle, UTC.",
            "end_time": "End of its last candle, UTC.",
            "feature": "Which one: a column of model.segment.",
            "value": "Its value.",
        },
        kind="VIEW",
    )
    _create_live_score()
    _create_coherence()


def _create_live_score() -> None:
    op.execute("""
        CREATE VIEW model.live_score AS
        SELECT r.fit_run_id, r.instrument_id, r.timeframe, o.channel_id, o.tau,
            count(*) AS candles, max(o.close_time) AS scored_until,
            avg(o.loss) AS loss, avg(o.baseline_loss) AS baseline_loss,
            avg(o.is_below::integer)::double precision AS share_below
        FROM model.channel_outcome AS o
        JOIN model.channel AS c USING (channel_id)
        JOIN model.segment AS s USING (segment_id)
        JOIN model.fit_run AS r USING (fit_run_id)
        GROUP BY r.fit_run_id, r.instrument_id, r.timeframe, o.channel_id, o.tau
    """)
    comment_table(
        "model.live_score",
        "How published channels did against what came after them, per quantile line.",
        {
            "fit_run_id": "The fit.",
            "instrument_id": "Whose candles.",
            "timeframe": "Which candles; see market.timeframe.",
            "channel_id": "The channel.",
            "tau": "The line.",
            "candles": "Candles it was scored on.",
            "scored_until": "End of the last of them, UTC.",
            "loss": "Mean pinball loss.",
            "baseline_loss": "Mean pinball loss of the baseline, frozen at publication.",
            "share_below": "Share of closes below the line; tau where it is calibrated.",
        },
        kind="VIEW",
    )


def _create_coherence() -> None:
    op.execute("""
        CREATE VIEW model.coherence AS
        SELECT r.timeframe, p.timeframe AS parent_timeframe, count(*) AS fits,
            avg(score.slope_agrees) AS slopes_agree,
            avg(score.median_inside) AS medians_inside,
            avg(score.closes_inside) AS closes_inside
        FROM model.fit_run AS r
        JOIN model.fit_run AS p ON p.fit_run_id = r.parent_fit_run_id
        CROSS JOIN LATERAL (
            SELECT
                max(k.value) FILTER (WHERE k.metric = 'parent_slope_agrees') AS slope_agrees,
                max(k.value) FILTER (WHERE k.metric = 'parent_median_inside') AS median_inside,
                max(k.value) FILTER (WHERE k.metric = 'parent_closes_inside') AS closes_inside
            FROM model.segment AS s
            JOIN model.channel AS c USING (segment_id)
            JOIN model.channel_score AS k USING (channel_id)
            WHERE s.fit_run_id = r.fit_run_id
        ) AS score
        WHERE r.is_current
        GROUP BY r.timeframe, p.timeframe
    """)
    comment_table(
        "model.coherence",
        "How far the current channels of a timeframe agree with those of the next coarser one.",
        {
            "timeframe": "Of the children; see market.timeframe.",
            "parent_timeframe": "Of the parents.",
            "fits": "Current fits that have a parent.",
            "slopes_agree": "Share of them whose newest slope has the sign of the parent's.",
            "medians_inside": "Share whose newest median lies within the parent's band.",
            "closes_inside": "Mean share of the newest segment's closes within that band.",
        },
        kind="VIEW",
    )
