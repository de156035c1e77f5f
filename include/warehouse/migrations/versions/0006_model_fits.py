"""Fitted channels: runs, segments, channels, their quantile lines and scores."""

from __future__ import annotations

from alembic import op

from include.warehouse.migrations.comments import comment, comment_table

revision = "0006"
down_revision = "0005"

FINITE = "BETWEEN float8 '-1e300' AND float8 '1e300'"
LOSS = "BETWEEN float8 '0' AND float8 '1e300'"


def upgrade() -> None:
    op.execute("CREATE SCHEMA model")
    comment("SCHEMA", "model", "What was fitted to the candles, and how well it held.")
    _create_fit_run()
    _create_segment()
    _create_channel()
    _create_channel_parts()


def downgrade() -> None:
    for table in ("channel_score", "channel_coefficient", "channel", "segment", "fit_run"):
        op.execute(f"DROP TABLE model.{table}")
    op.execute("DROP SCHEMA model")


def _create_fit_run() -> None:
    op.execute("""
        CREATE TABLE model.fit_run (
            fit_run_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            instrument_id integer NOT NULL REFERENCES market.instrument,
            timeframe text NOT NULL
                CONSTRAINT fit_timeframe CHECK (timeframe IN ('1m', '5m', '30m', '4h')),
            data_xid xid8 NOT NULL,
            code_version text NOT NULL,
            parameters jsonb NOT NULL,
            is_current boolean NOT NULL DEFAULT true,
            recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
        )
    """)
    op.execute("""
        CREATE UNIQUE INDEX fit_one_current ON model.fit_run (instrument_id, timeframe)
        WHERE is_current
    """)
    op.execute("CREATE INDEX fit_history ON model.fit_run (instrument_id, timeframe, recorded_at)")
    comment_table(
        "model.fit_run",
        "One fit of one instrument and timeframe; older fits stay as history.",
        {
            "fit_run_id": "Identity.",
            "instrument_id": "Whose candles were fitted.",
            "timeframe": "Which candles: 1m, 5m, 30m, 4h.",
            "data_xid": "Bound of the data seen: every change of a transaction below it.",
            "code_version": "Version of the code that fitted.",
            "parameters": "Tunables of the fit, among them the unit prices were fitted in.",
            "is_current": "Whether this is the newest fit; one per instrument and timeframe.",
            "recorded_at": "When it was stored, UTC.",
        },
    )


def _create_segment() -> None:
    op.execute(f"""
        CREATE TABLE model.segment (
            segment_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            fit_run_id bigint NOT NULL REFERENCES model.fit_run ON DELETE CASCADE,
            start_time timestamptz NOT NULL,
            end_time timestamptz NOT NULL,
            slope_per_hour double precision NOT NULL CHECK (slope_per_hour {FINITE}),
            intercept double precision NOT NULL CHECK (intercept {FINITE}),
            candles integer NOT NULL CHECK (candles >= 1),
            residual_scale double precision NOT NULL CHECK (residual_scale {LOSS}),
            CONSTRAINT segment_runs_forward CHECK (start_time < end_time),
            CONSTRAINT segment_no_overlap EXCLUDE USING gist (
                int8range(fit_run_id, fit_run_id, '[]') WITH =,
                tstzrange(start_time, end_time) WITH &&
            )
        )
    """)
    op.execute("CREATE INDEX segment_fit_run ON model.segment (fit_run_id, start_time)")
    comment_table(
        "model.segment",
        "A stretch of candles that follows one straight line.",
        {
            "segment_id": "Identity.",
            "fit_run_id": "The fit it belongs to.",
            "start_time": "Open time of its first candle, UTC.",
            "end_time": "End of its last candle, UTC.",
            "slope_per_hour": "Slope of the line, in fitted price units per hour.",
            "intercept": "Value of the line at start_time, in fitted price units.",
            "candles": "Candles in it.",
            "residual_scale": "Robust scale of the residuals, in fitted price units.",
        },
    )


def _create_channel() -> None:
    op.execute(f"""
        CREATE TABLE model.channel (
            channel_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            segment_id bigint NOT NULL UNIQUE REFERENCES model.segment ON DELETE CASCADE,
            published boolean NOT NULL,
            declined_reason text,
            baseline_loss double precision CHECK (baseline_loss {LOSS}),
            model_loss double precision CHECK (model_loss {LOSS}),
            CONSTRAINT channel_declined_for_a_reason CHECK (published = (declined_reason IS NULL))
        )
    """)
    comment_table(
        "model.channel",
        "The quantile channel of a segment, published only where it beats its baseline on "
        "candles it has not seen.",
        {
            "channel_id": "Identity.",
            "segment_id": "The segment it lies over.",
            "published": "Whether it may be shown.",
            "declined_reason": "Why it may not; null when published.",
            "baseline_loss": "Out-of-sample pinball loss of the baseline; null when not judged.",
            "model_loss": "Out-of-sample pinball loss of the channel; null when not judged.",
        },
    )


def _create_channel_parts() -> None:
    op.execute(f"""
        CREATE TABLE model.channel_coefficient (
            channel_id bigint NOT NULL REFERENCES model.channel ON DELETE CASCADE,
            tau double precision NOT NULL CHECK (tau > 0 AND tau < 1),
            intercept double precision NOT NULL CHECK (intercept {FINITE}),
            slope double precision NOT NULL CHECK (slope {FINITE}),
            pinball_loss_in double precision CHECK (pinball_loss_in {LOSS}),
            pinball_loss_out double precision CHECK (pinball_loss_out {LOSS}),
            PRIMARY KEY (channel_id, tau)
        )
    """)
    comment_table(
        "model.channel_coefficient",
        "One quantile line of a channel.",
        {
            "channel_id": "The channel.",
            "tau": "The quantile, between 0 and 1.",
            "intercept": "Value of the line at the segment's start_time, in fitted price units.",
            "slope": "Slope of the line, in fitted price units per hour.",
            "pinball_loss_in": "Mean pinball loss on the candles fitted; null when not judged.",
            "pinball_loss_out": "Mean pinball loss on candles held out; null when not judged.",
        },
    )
    op.execute(f"""
        CREATE TABLE model.channel_score (
            channel_id bigint NOT NULL REFERENCES model.channel ON DELETE CASCADE,
            metric text NOT NULL,
            value double precision NOT NULL CHECK (value {FINITE}),
            PRIMARY KEY (channel_id, metric)
        )
    """)
    comment_table(
        "model.channel_score",
        "Further measures of a channel, by name.",
        {
            "channel_id": "The channel.",
            "metric": "Name of the measure, e.g. coverage_05_95.",
            "value": "Its value.",
        },
    )
