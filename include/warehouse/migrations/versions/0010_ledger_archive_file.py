"""Files of venues' archives: what was read of each, and which of them were replaced since."""

from __future__ import annotations

from alembic import op

from include.warehouse.migrations.comments import comment_table

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE ledger.archive_file (
            path text PRIMARY KEY
                CONSTRAINT archive_file_path CHECK (length(path) BETWEEN 1 AND 500),
            venue text NOT NULL,
            symbol text NOT NULL,
            dataset text NOT NULL,
            timeframe text,
            span_start timestamptz NOT NULL,
            span_end timestamptz NOT NULL,
            sha256 text NOT NULL
                CONSTRAINT archive_file_sha256 CHECK (sha256 ~ '^[0-9a-f]{64}$'),
            previous_sha256 text
                CONSTRAINT archive_file_previous CHECK (previous_sha256 ~ '^[0-9a-f]{64}$'),
            bytes bigint NOT NULL CONSTRAINT archive_file_bytes CHECK (bytes >= 0),
            rows bigint NOT NULL CONSTRAINT archive_file_rows CHECK (rows >= 0),
            etag text,
            first_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            checked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            revised_at timestamptz,
            revised_count integer NOT NULL DEFAULT 0
                CONSTRAINT archive_file_revised_count CHECK (revised_count >= 0),
            CONSTRAINT archive_file_runs_forward CHECK (span_start < span_end),
            CONSTRAINT archive_file_revision_is_told CHECK (
                (revised_count = 0) = (revised_at IS NULL)
                AND (revised_at IS NULL) = (previous_sha256 IS NULL)
            )
        )
    """)
    op.execute("""
        CREATE INDEX archive_file_due ON ledger.archive_file (venue, checked_at, path)
    """)
    comment_table(
        "ledger.archive_file",
        "Files of venues' archives as they were last read; a venue may replace a file later.",
        {
            "path": "Path below the archive's base URL; it names venue, symbol, span.",
            "venue": "Venue the rows are of.",
            "symbol": "Symbol the rows are of.",
            "dataset": "The archive's own word for the content, e.g. klines, aggTrades.",
            "timeframe": "Candle resolution, e.g. 1m; null for other content.",
            "span_start": "First instant the file speaks for, UTC.",
            "span_end": "First instant after it, UTC.",
            "sha256": "Published checksum of the content last read, hexadecimal.",
            "previous_sha256": "Checksum before the newest revision; null before the first.",
            "bytes": "Size of the file as downloaded.",
            "rows": "Rows read of it.",
            "etag": "HTTP entity tag of the content, where the archive sends one.",
            "first_seen_at": "When it was first read, UTC.",
            "checked_at": "When its checksum was last asked for, UTC.",
            "revised_at": "When other content was last found under its path, UTC.",
            "revised_count": "How often other content was found under its path.",
        },
    )


def downgrade() -> None:
    op.execute("DROP TABLE ledger.archive_file")
