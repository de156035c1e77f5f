"""How sure the start of a segment is: where else its break may as well be."""

from __future__ import annotations

from alembic import op

from include.warehouse.migrations.comments import comment

revision = "0028"
down_revision = "0027"

# Name, what may be stored, meaning.
FEATURES = (
    (
        "begin_first_hours",
        "BETWEEN float8 '-1e300' AND float8 '0'",
        "Hours from start_time back to the first place where the break may as well be, at 95 %. "
        "Null for the oldest segment, which begins with the candles.",
    ),
    (
        "begin_last_hours",
        "BETWEEN float8 '0' AND float8 '1e300'",
        "Hours from start_time on to the last place where the break may as well be, at 95 %. "
        "Null for the oldest segment.",
    ),
)
LONG_BEFORE = (
    "candles", "slope_per_hour", "residual_scale", "duration_hours", "max_drawdown", "max_run_up",
    "volume_per_hour", "volume_first_third", "volume_middle_third", "volume_last_third",
    "relative_volume", "age_hours", "parent_begin", "parent_end", "parent_share", "r1_05", "r1_25",
    "r1_50", "r1_75", "r1_95",
)  # fmt: skip


def upgrade() -> None:
    added = ", ".join(
        f"ADD COLUMN {name} double precision CONSTRAINT segment_{name} CHECK ({name} {bounds})"
        for name, bounds, _ in FEATURES
    )
    op.execute(f"ALTER TABLE model.segment {added}")
    for name, _, meaning in FEATURES:
        comment("COLUMN", f"model.segment.{name}", meaning)
    _replace_view((*LONG_BEFORE, *(name for name, _, _ in FEATURES)))


def downgrade() -> None:
    _replace_view(LONG_BEFORE)
    dropped = ", ".join(f"DROP COLUMN {name}" for name, _, _ in FEATURES)
    op.execute(f"ALTER TABLE model.segment {dropped}")


def _replace_view(names: tuple[str, ...]) -> None:
    pairs = ", ".join(f"('{name}', s.{name})" for name in names)
    op.execute(f"""
        CREATE OR REPLACE VIEW model.segment_feature_long AS
        SELECT s.segment_id, s.fit_run_id, s.start_time, s.end_time, each.feature, each.value
        FROM model.segment AS s
        CROSS JOIN LATERAL (VALUES {pairs}) AS each (feature, value)
        WHERE each.value IS NOT NULL
    """)  # noqa: S608 - our own names
