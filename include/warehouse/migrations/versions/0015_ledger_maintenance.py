"""Roles, retention, closed months with their checksums, findings of the audit.

Three roles share the work: the owner migrates, the loader writes rows, the reader reads. Loader and
reader are groups without login; a login becomes a member of one. Groups belong to the whole
cluster, so they stay when this migration is undone: another database may use them.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

from include.market.errors import InvalidInputError
from include.warehouse.migrations.comments import comment, comment_table

revision = "0015"
down_revision = "0014"

LOADER, READER = "candlewick_loader", "candlewick_reader"
SCHEMAS = ("market", "ledger", "model", "report")
DELETABLE = ("market.session", "ledger.gap", "ledger.quarantine", "ledger.month_checksum")
DATASET = r"CHECK (dataset ~ '^[a-z][a-z0-9_]{0,62}$')"
FIRST_OF_MONTH = "CHECK (month = date_trunc('month', month::timestamp)::date)"


def upgrade() -> None:
    _require_groups()
    op.execute("CREATE SCHEMA retired")
    comment("SCHEMA", "retired", "Months taken out of their tables; nobody writes here.")
    _create_month_checksum()
    _create_finding()
    _create_retired_month()
    _create_retire_month()
    _create_file_repair()
    _note_removed_files()
    _grant()


def downgrade() -> None:
    kept = op.get_bind().execute(
        text("SELECT relname FROM pg_class WHERE relnamespace = 'retired'::regnamespace LIMIT 1")
    )
    if (row := kept.first()) is not None:
        raise InvalidInputError(
            f"schema retired still holds {row[0]}: attach or drop its tables, then downgrade"
        )
    _revoke()
    op.execute("ALTER TABLE ledger.landing DROP COLUMN files_removed_at")
    op.execute("DROP FUNCTION ledger.file_repair(text, integer, timestamptz, timestamptz)")
    op.execute("DROP FUNCTION market.retire_month(regclass, date)")
    for table in ("retired_month", "finding", "month_checksum"):
        op.execute(f"DROP TABLE ledger.{table}")
    op.execute("DROP SCHEMA retired")


def _require_groups() -> None:
    """Create the groups where we may; say what to do where we may not."""
    bind = op.get_bind()
    known = set(bind.execute(text("SELECT rolname FROM pg_roles")).scalars())
    absent = [group for group in (LOADER, READER) if group not in known]
    may = bind.execute(
        text("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user")
    ).scalar_one()
    if absent and not may:
        wanted = " ".join(f"CREATE ROLE {group} NOLOGIN;" for group in absent)
        raise InvalidInputError(
            f"the cluster lacks {' and '.join(absent)}, and this login may not create roles: "
            f"run {wanted!r} as a superuser, then migrate again"
        )
    for group in absent:
        op.execute(f"CREATE ROLE {group} NOLOGIN")


def _create_month_checksum() -> None:
    op.execute(f"""
        CREATE TABLE ledger.month_checksum (
            dataset text NOT NULL CONSTRAINT month_checksum_dataset {DATASET},
            instrument_id integer NOT NULL REFERENCES market.instrument,
            month date NOT NULL CONSTRAINT month_checksum_month {FIRST_OF_MONTH},
            rows bigint NOT NULL CONSTRAINT month_checksum_rows CHECK (rows >= 0),
            checksum bigint NOT NULL,
            hour_checksums bigint[] NOT NULL,
            algorithm text NOT NULL,
            closed_at timestamptz NOT NULL,
            PRIMARY KEY (dataset, instrument_id, month)
        )
    """)
    op.execute("CREATE INDEX month_checksum_instrument ON ledger.month_checksum (instrument_id)")
    comment_table(
        "ledger.month_checksum",
        "What a month of one series added up to when it was over and quiet. It is compared with "
        "the rows recorded up to closed_at, those replaced since included, so that a revision "
        "does not disturb it.",
        {
            "dataset": "Table, e.g. candle_1m.",
            "instrument_id": "Whose rows.",
            "month": "First day of the month, UTC.",
            "rows": "Rows of that month, replaced ones included.",
            "checksum": "The hashes of all rows, every column included, combined by exclusive or.",
            "hour_checksums": "The same for each hour of the month, the first hour first; null "
            "for an hour without rows.",
            "algorithm": "What made the hashes; another major version of the server may hash "
            "otherwise, and then the month is closed anew.",
            "closed_at": "When it was taken, with all writers of the series kept out, UTC.",
        },
    )


def _create_finding() -> None:
    op.execute("""
        CREATE TABLE ledger.finding (
            finding_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            check_name text NOT NULL,
            relation text NOT NULL,
            instrument_id integer,
            span_start timestamptz,
            span_end timestamptz,
            detail text NOT NULL,
            repair text NOT NULL,
            first_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            last_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            told_at timestamptz,
            accepted_at timestamptz,
            gone_at timestamptz
        )
    """)
    op.execute("""
        CREATE UNIQUE INDEX finding_open ON ledger.finding
            (check_name, relation, instrument_id, span_start) NULLS NOT DISTINCT
        WHERE gone_at IS NULL
    """)
    comment_table(
        "ledger.finding",
        "What the audit found wrong with what is stored, once each, with the way to repair it.",
        {
            "finding_id": "Identity.",
            "check_name": "The check that found it, e.g. coverage.",
            "relation": "Where the wrong rows stand, e.g. market.candle_1m.",
            "instrument_id": "Whose rows; null where a row has no instrument. Not a reference, for "
            "an instrument that does not exist can be the finding.",
            "span_start": "First wrong instant, UTC; null where a row has no time.",
            "span_end": "First instant after it, UTC.",
            "detail": "What is wrong, in words.",
            "repair": "What to do about it.",
            "first_seen_at": "When it was first found, UTC.",
            "last_seen_at": "When it was last found, UTC.",
            "told_at": "When somebody was told of it, UTC.",
            "accepted_at": "When a person decided to live with it, UTC; it is not shown again.",
            "gone_at": "When an audit no longer found it, UTC; null while it is there.",
        },
    )


def _create_retired_month() -> None:
    op.execute(f"""
        CREATE TABLE ledger.retired_month (
            dataset text NOT NULL CONSTRAINT retired_month_dataset {DATASET},
            month date NOT NULL CONSTRAINT retired_month_month {FIRST_OF_MONTH},
            relation text NOT NULL PRIMARY KEY,
            rows bigint NOT NULL CONSTRAINT retired_month_rows CHECK (rows >= 0),
            retired_at timestamptz NOT NULL DEFAULT clock_timestamp()
        )
    """)
    op.execute("CREATE INDEX retired_month_of ON ledger.retired_month (dataset, month)")
    comment_table(
        "ledger.retired_month",
        "Months the retention policy took out of their tables; their rows still exist.",
        {
            "dataset": "Table the month was part of, e.g. candle_1m.",
            "month": "First day of the month, UTC.",
            "relation": "Table that holds its rows now, in schema retired.",
            "rows": "Rows in it.",
            "retired_at": "When it was taken out, UTC.",
        },
    )


def _create_retire_month() -> None:
    # Runs as the owner for a loader who owns nothing, hence the checks of what it is given.
    op.execute("""
        CREATE FUNCTION market.retire_month(parent regclass, month date) RETURNS text
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            table_name text;
            partition oid;
            wanted text;
            kept_as text;
            index_name text;
            stored bigint;
        BEGIN
            SELECT relname INTO table_name FROM pg_class
            WHERE oid = parent AND relkind = 'p' AND relnamespace = 'market'::regnamespace;
            IF table_name IS NULL THEN
                RAISE EXCEPTION 'retire_month: % is no partitioned table of schema market', parent
                    USING ERRCODE = 'invalid_parameter_value';
            END IF;
            IF (
                month = date_trunc('month', month::timestamp)::date
                AND (month + interval '1 month') AT TIME ZONE 'UTC' <= now()
            ) IS NOT TRUE THEN
                RAISE EXCEPTION 'retire_month: expected the first day of a month that is over, '
                    'was %', month USING ERRCODE = 'invalid_parameter_value';
            END IF;
            wanted = table_name || to_char(month, '_YYYY_MM');
            SELECT child.oid INTO partition
            FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
            WHERE inhparent = parent AND child.relname = wanted
                AND child.relnamespace = 'market'::regnamespace;
            IF partition IS NULL THEN
                RETURN NULL;
            END IF;
            EXECUTE format('ALTER TABLE %s DETACH PARTITION %s', parent, partition::regclass);
            kept_as = wanted;
            WHILE EXISTS (
                SELECT FROM pg_class
                WHERE relnamespace = 'retired'::regnamespace AND relname = kept_as
            ) LOOP
                kept_as = kept_as || '_again';
            END LOOP;
            IF kept_as <> wanted THEN
                EXECUTE format('ALTER TABLE market.%I RENAME TO %I', wanted, kept_as);
                FOR index_name IN
                    SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
                    WHERE indrelid = partition
                LOOP
                    EXECUTE format('ALTER INDEX market.%I RENAME TO %I', index_name,
                        index_name || substr(kept_as, length(wanted) + 1));
                END LOOP;
            END IF;
            EXECUTE format('ALTER TABLE market.%I SET SCHEMA retired', kept_as);
            EXECUTE format('SELECT count(*) FROM retired.%I', kept_as) INTO stored;
            INSERT INTO ledger.retired_month (dataset, month, relation, rows)
            VALUES (table_name, retire_month.month, 'retired.' || kept_as, stored);
            RETURN 'retired.' || kept_as;
        END
        $$
    """)
    comment(
        "FUNCTION",
        "market.retire_month(regclass, date)",
        "Takes the partition of one past month out of its table into schema retired, where its "
        "rows stay, and returns its new name; null when there is no such partition.",
    )


def _create_file_repair() -> None:
    op.execute("""
        CREATE FUNCTION ledger.file_repair(
            dataset text, instrument integer, span_start timestamptz, span_end timestamptz
        ) RETURNS bigint
        LANGUAGE sql
        BEGIN ATOMIC
            WITH receipt AS (
                INSERT INTO ledger.load (
                    dataset, source, run_id, span_start, span_end, rows_in, rows_inserted,
                    rows_updated, rows_unchanged, rows_quarantined, observed_at
                )
                VALUES (
                    file_repair.dataset, 'repair', 'repair', file_repair.span_start,
                    file_repair.span_end, 0, 0, 0, 0, 0, clock_timestamp()
                )
                RETURNING load_id
            )
            INSERT INTO ledger.change (
                dataset, instrument_id, span_start, span_end, reason, load_id
            )
            SELECT file_repair.dataset, file_repair.instrument, file_repair.span_start,
                file_repair.span_end, 'repaired', load_id
            FROM receipt
            RETURNING change_id;
        END
    """)
    comment(
        "FUNCTION",
        "ledger.file_repair(text, integer, timestamptz, timestamptz)",
        "Files a change of a span without changing a row, so that every later stage does that "
        "span again; returns the change.",
    )


def _note_removed_files() -> None:
    op.execute("ALTER TABLE ledger.landing ADD COLUMN files_removed_at timestamptz")
    op.execute("""
        CREATE INDEX landing_removable ON ledger.landing (loaded_at)
        WHERE state = 'loaded' AND (files_removed_at IS NULL OR files_removed_at < landed_at)
    """)
    comment(
        "COLUMN",
        "ledger.landing.files_removed_at",
        "When its files were removed for their age, UTC; null while they are kept.",
    )


def _grant() -> None:
    for schema in SCHEMAS:
        op.execute(f"GRANT USAGE ON SCHEMA {schema} TO {LOADER}, {READER}")
        op.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {READER}")
        # MAINTAIN is what vacuum and analyze need; it changes no row.
        op.execute(
            f"GRANT SELECT, INSERT, UPDATE, MAINTAIN ON ALL TABLES IN SCHEMA {schema} TO {LOADER}"
        )
        op.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {LOADER}")
    op.execute(f"REVOKE INSERT, UPDATE ON ledger.schema_version FROM {LOADER}")
    for decided in ("ledger.retired_month", "market.source"):
        op.execute(f"REVOKE INSERT, UPDATE ON {decided} FROM {LOADER}")
    op.execute(f"GRANT DELETE ON {', '.join(DELETABLE)} TO {LOADER}")
    op.execute(f"GRANT USAGE ON SCHEMA retired TO {READER}")
    # What later migrations and the months to come create is covered from the start.
    for kind, rights, group in (
        ("TABLES", "SELECT", READER),
        ("TABLES", "SELECT, INSERT, UPDATE, MAINTAIN", LOADER),
        ("SEQUENCES", "USAGE", LOADER),
    ):
        op.execute(f"ALTER DEFAULT PRIVILEGES GRANT {rights} ON {kind} TO {group}")
    _grant_by_name()


def _grant_by_name() -> None:
    # The database's own name, functions that run as the owner (not for everybody), and the schema
    # where months are filled before they are attached, if there is one.
    op.execute(f"""
        DO $$
        DECLARE
            routine regprocedure;
        BEGIN
            EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO {LOADER}, {READER}',
                current_database());
            IF to_regnamespace('nursery') IS NOT NULL THEN
                GRANT USAGE ON SCHEMA nursery TO {LOADER};
            END IF;
            FOR routine IN
                SELECT oid FROM pg_proc
                WHERE prosecdef AND pg_has_role(proowner, 'USAGE')
                    AND pronamespace <> 'pg_catalog'::regnamespace
            LOOP
                EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', routine);
                EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO {LOADER}', routine);
            END LOOP;
        END
        $$
    """)  # noqa: S608 - our own names


def _revoke() -> None:
    both = f"{LOADER}, {READER}"
    op.execute(f"ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM {both}")
    op.execute(f"ALTER DEFAULT PRIVILEGES REVOKE ALL ON SEQUENCES FROM {both}")
    for schema in (*SCHEMAS, "retired"):
        for kind in ("TABLES", "SEQUENCES", "ROUTINES"):
            op.execute(f"REVOKE ALL ON ALL {kind} IN SCHEMA {schema} FROM {both}")
        op.execute(f"REVOKE ALL ON SCHEMA {schema} FROM {both}")
        op.execute(f"GRANT EXECUTE ON ALL ROUTINES IN SCHEMA {schema} TO PUBLIC")
    op.execute(f"""
        DO $$
        BEGIN
            EXECUTE format('REVOKE ALL ON DATABASE %I FROM {both}', current_database());
            IF to_regnamespace('nursery') IS NOT NULL THEN
                REVOKE ALL ON SCHEMA nursery FROM {LOADER};
            END IF;
        END
        $$
    """)
