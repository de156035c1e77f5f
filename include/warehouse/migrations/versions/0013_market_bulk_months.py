"""Whole months loaded beside the tables, and attached when they are proven.

A month under construction is a table of its own in the schema ``nursery``: no reader sees it, its
keys are built once over all rows, and COPY may freeze them. Only the owner may create and attach
tables, so each step is a function that runs as the owner, takes nothing but a parent of ours and a
month, and fixes its search path.
"""

from __future__ import annotations

from alembic import op

from include.warehouse.migrations.comments import comment

revision = "0013"
down_revision = "0012"

# Names a building month in pg_locks; its session holds (CLASS, oid of the table).
CLASS = 1_129_466_957
ENSURE = "market.ensure_partitions(regclass, timestamptz, timestamptz)"
FUNCTIONS = {
    "nursery.begin_month(regclass, timestamptz, text)": (
        "Creates the table in which a month of one source is built, with the rules of its parent "
        "but without key and recorded_at, and keeps it from being swept while this session lives."
    ),
    "nursery.finish_month(regclass)": "Builds the primary key of a month once its rows are there.",
    "nursery.claim_month(regclass, timestamptz)": (
        "Locks what attaching a month needs, without ever waiting in a circle; tells whether the "
        "month is still absent, or was empty and has been taken away."
    ),
    "nursery.attach_month(regclass, regclass, timestamptz, timestamptz)": (
        "Gives a built month the instant its rows count from and makes it a partition; the "
        "foreign keys are checked over all rows at once."
    ),
    "nursery.sweep()": "Drops the months whose builders have died; returns how many.",
    "nursery.reserve_loads(integer)": "Gives out ids for receipts that are written later.",
    "nursery.require_parent(regclass, timestamptz)": (
        "Refuses what is not a partitioned table of schema market or not the start of a month."
    ),
    "nursery.require_nest(regclass)": "Refuses what is not a month under construction.",
}


def upgrade() -> None:
    op.execute("CREATE SCHEMA nursery")
    comment("SCHEMA", "nursery", "Months being built before they become partitions; else empty.")
    _create_guards()
    _create_begin()
    _create_finish()
    _create_claim()
    _create_attach()
    _create_ends()
    for signature, meaning in FUNCTIONS.items():
        comment("FUNCTION", signature, meaning)
        op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
    _replace_ensure_partitions("SECURITY DEFINER", "AND relnamespace = 'market'::regnamespace")
    op.execute(f"REVOKE ALL ON FUNCTION {ENSURE} FROM PUBLIC")


def downgrade() -> None:
    _replace_ensure_partitions("SECURITY INVOKER", "")
    op.execute(f"GRANT EXECUTE ON FUNCTION {ENSURE} TO PUBLIC")
    # Whatever is still being built there never became a part of the warehouse.
    op.execute("DROP SCHEMA nursery CASCADE")


def _create_guards() -> None:
    op.execute("""
        CREATE FUNCTION nursery.require_parent(parent regclass, month timestamptz) RETURNS void
        LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            IF NOT EXISTS (
                SELECT FROM pg_class WHERE oid = parent AND relkind = 'p'
                AND relnamespace = 'market'::regnamespace
            ) THEN
                RAISE EXCEPTION 'expected a partitioned table of schema market, was %', parent
                    USING ERRCODE = 'wrong_object_type';
            END IF;
            IF month IS NULL OR month <> date_trunc('month', month, 'UTC')
                OR month NOT BETWEEN '2000-01-01 00:00:00+00' AND '2099-12-01 00:00:00+00'
            THEN
                RAISE EXCEPTION 'expected the start of a month, UTC, was %', month
                    USING ERRCODE = 'invalid_parameter_value';
            END IF;
        END
        $$
    """)
    op.execute("""
        CREATE FUNCTION nursery.require_nest(nest regclass) RETURNS void
        LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            IF NOT EXISTS (
                SELECT FROM pg_class WHERE oid = nest AND relkind = 'r' AND NOT relispartition
                AND relnamespace = 'nursery'::regnamespace
            ) THEN
                RAISE EXCEPTION 'expected a month under construction, was %', nest
                    USING ERRCODE = 'wrong_object_type';
            END IF;
        END
        $$
    """)


def _create_begin() -> None:
    # Made in two steps: LIKE numbers the columns anew, while one dropped in place would leave a
    # gap that the rows of the parent do not have. That the loader may insert, and later read,
    # comes of the owner's default privileges, as for any other month.
    op.execute(f"""
        CREATE FUNCTION nursery.begin_month(
            parent regclass, month timestamptz, source text, OUT nest_id oid, OUT nest_name text
        )
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            nest text;
            pattern text;
            bounded name;
        BEGIN
            PERFORM nursery.require_parent(parent, month);
            SELECT relname || to_char(month AT TIME ZONE 'UTC', '_YYYY_MM_x')
                || pg_current_xact_id() INTO STRICT nest_name FROM pg_class WHERE oid = parent;
            nest := format('nursery.%I', nest_name);
            pattern := format('nursery.%I', nest_name || '_pattern');
            EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING DEFAULTS INCLUDING CONSTRAINTS '
                'INCLUDING COMMENTS)', pattern, parent);
            EXECUTE format('ALTER TABLE %s DROP COLUMN recorded_at', pattern);
            EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING DEFAULTS INCLUDING CONSTRAINTS '
                'INCLUDING COMMENTS)', nest, pattern);
            EXECUTE format('DROP TABLE %s', pattern);
            -- Not sent with every row; nor is revision, whose default is 1 anyway.
            EXECUTE format('ALTER TABLE %s ALTER source SET DEFAULT %L', nest, source);
            SELECT attname INTO STRICT bounded
            FROM pg_partitioned_table
            JOIN pg_attribute ON attrelid = partrelid AND attnum = partattrs[0]
            WHERE partrelid = parent;
            -- Lets ATTACH believe the bounds without reading the rows again.
            EXECUTE format('ALTER TABLE %s ADD CONSTRAINT nursery_bounds '
                'CHECK (%I >= %L AND %2$I < %4$L)',
                nest, bounded, month, date_add(month, interval '1 month', 'UTC'));
            nest_id := nest::regclass;
            -- pg_locks shows both numbers as unsigned, as an oid is.
            PERFORM pg_advisory_lock({CLASS}, nest_id::bigint::bit(32)::integer);
        END
        $$
    """)  # noqa: S608 - our own number


def _create_finish() -> None:
    op.execute("""
        CREATE FUNCTION nursery.finish_month(nest regclass) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            PERFORM nursery.require_nest(nest);
            EXECUTE format('ALTER TABLE %s ADD PRIMARY KEY (instrument_id, open_time)', nest);
        END
        $$
    """)


def _create_claim() -> None:
    # A loader holds fences, landings and series before it locks any table, so one table may be
    # waited for, the first: whoever holds it needs none of these. The others are had at once or
    # not at all; the caller then gives everything back and comes again.
    op.execute("""
        CREATE FUNCTION nursery.claim_month(parent regclass, month timestamptz) RETURNS boolean
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            stored text;
            is_taken boolean;
        BEGIN
            PERFORM nursery.require_parent(parent, month);
            SELECT format('market.%I', relname || to_char(month AT TIME ZONE 'UTC', '_YYYY_MM'))
            INTO STRICT stored FROM pg_class WHERE oid = parent;
            LOCK TABLE ledger.load IN SHARE ROW EXCLUSIVE MODE;
            LOCK TABLE market.instrument IN SHARE ROW EXCLUSIVE MODE NOWAIT;
            LOCK TABLE market.instrument_alias IN SHARE MODE NOWAIT;
            IF NOT pg_try_advisory_xact_lock(hashtextextended('candlewick partitions', 0)) THEN
                RAISE EXCEPTION 'somebody is creating partitions'
                    USING ERRCODE = 'lock_not_available';
            END IF;
            EXECUTE format('LOCK TABLE ONLY %s IN SHARE UPDATE EXCLUSIVE MODE NOWAIT', parent);
            -- A query, not to_regclass: that would answer from what this session knew before.
            IF NOT EXISTS (
                SELECT FROM pg_class WHERE relnamespace = 'market'::regnamespace
                AND format('market.%I', relname) = stored
            ) THEN
                RETURN true;
            END IF;
            EXECUTE format('SELECT EXISTS (SELECT FROM %s)', stored) INTO is_taken;
            IF is_taken THEN
                RETURN false;
            END IF;
            EXECUTE format('LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE NOWAIT', parent);
            EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE NOWAIT', stored);
            EXECUTE format('SELECT EXISTS (SELECT FROM %s)', stored) INTO is_taken;
            IF is_taken THEN
                RETURN false;
            END IF;
            EXECUTE format('DROP TABLE %s', stored);
            RETURN true;
        END
        $$
    """)


def _create_attach() -> None:
    # recorded_at comes last and as a constant: no row is touched, and no row claims to have been
    # known before the instant at which it can be read.
    op.execute("""
        CREATE FUNCTION nursery.attach_month(
            nest regclass, parent regclass, month timestamptz, recorded_at timestamptz
        ) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            child text;
            meaning text;
        BEGIN
            PERFORM nursery.require_nest(nest);
            PERFORM nursery.require_parent(parent, month);
            SELECT relname || to_char(month AT TIME ZONE 'UTC', '_YYYY_MM') INTO STRICT child
            FROM pg_class WHERE oid = parent;
            EXECUTE format('ALTER TABLE %s ADD COLUMN recorded_at timestamptz NOT NULL DEFAULT %L',
                nest, attach_month.recorded_at);
            EXECUTE format('ALTER TABLE %s ALTER recorded_at DROP DEFAULT, '
                'ALTER source DROP DEFAULT', nest);
            SELECT col_description(attrelid, attnum) INTO meaning FROM pg_attribute
            WHERE attrelid = parent AND attname = 'recorded_at';
            EXECUTE format('COMMENT ON COLUMN %s.recorded_at IS %L', nest, meaning);
            EXECUTE format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', nest,
                (SELECT conname FROM pg_constraint WHERE conrelid = nest AND contype = 'p'),
                child || '_pkey');
            EXECUTE format('ALTER TABLE %s RENAME TO %I', nest, child);
            EXECUTE format('ALTER TABLE nursery.%I SET SCHEMA market', child);
            EXECUTE format('ALTER TABLE %s ATTACH PARTITION market.%I FOR VALUES FROM (%L) TO (%L)',
                parent, child, month, date_add(month, interval '1 month', 'UTC'));
            EXECUTE format('ALTER TABLE market.%I DROP CONSTRAINT nursery_bounds', child);
        END
        $$
    """)


def _create_ends() -> None:
    # A table is visible here only after its builder has committed it, and by then the builder
    # has its lock: a table without one is nobody's.
    op.execute(f"""
        CREATE FUNCTION nursery.sweep() RETURNS integer
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            nest record;
            dropped integer := 0;
        BEGIN
            FOR nest IN
                SELECT oid, relname FROM pg_class
                WHERE relnamespace = 'nursery'::regnamespace AND relkind = 'r'
                ORDER BY oid
            LOOP
                CONTINUE WHEN EXISTS (
                    SELECT FROM pg_locks
                    WHERE locktype = 'advisory' AND objsubid = 2 AND granted
                        AND classid = {CLASS} AND objid = nest.oid
                        AND database = (SELECT oid FROM pg_database
                            WHERE datname = current_database())
                );
                -- By the name it had here: one attached meanwhile is no longer called so.
                EXECUTE format('DROP TABLE IF EXISTS nursery.%I', nest.relname);
                dropped := dropped + 1;
            END LOOP;
            RETURN dropped;
        END
        $$
    """)  # noqa: S608 - our own number
    op.execute("""
        CREATE FUNCTION nursery.reserve_loads(loads integer) RETURNS SETOF bigint
        LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        BEGIN ATOMIC
            SELECT nextval('ledger.load_load_id_seq'::regclass)
            FROM generate_series(1, least(loads, 100000));
        END
    """)


def _replace_ensure_partitions(rights: str, restriction: str) -> None:
    op.execute(f"""
        CREATE OR REPLACE FUNCTION market.ensure_partitions(
            parent regclass, from_time timestamptz, to_time timestamptz
        ) RETURNS integer
        LANGUAGE plpgsql {rights} SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            family oid;
            prefix text;
            month timestamptz;
            created integer := 0;
        BEGIN
            IF NOT coalesce(to_time - from_time BETWEEN interval '0' AND interval '1200 months',
                            false) THEN
                RAISE EXCEPTION 'partitions of %: expected a span of at most 100 years, was [%, %)',
                    parent, from_time, to_time USING ERRCODE = 'invalid_parameter_value';
            END IF;
            SELECT relnamespace, relname INTO STRICT family, prefix
            FROM pg_class WHERE oid = parent AND relkind = 'p' {restriction};
            FOR month IN
                SELECT m FROM generate_series(
                    date_trunc('month', from_time, 'UTC'), to_time, interval '1 month', 'UTC'
                ) AS m WHERE m < to_time
            LOOP
                DECLARE
                    child text := prefix || to_char(month AT TIME ZONE 'UTC', '_YYYY_MM');
                    name text := format('%I.%I', family::regnamespace::text, child);
                    next_month timestamptz := date_add(month, interval '1 month', 'UTC');
                BEGIN
                    CONTINUE WHEN EXISTS (
                        SELECT FROM pg_class WHERE relnamespace = family AND relname = child);
                    PERFORM pg_advisory_xact_lock(hashtextextended('candlewick partitions', 0));
                    -- A query, not to_regclass: that would answer from what this session knew
                    -- before it waited.
                    CONTINUE WHEN EXISTS (
                        SELECT FROM pg_class WHERE relnamespace = family AND relname = child);
                    EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING DEFAULTS INCLUDING '
                        'CONSTRAINTS INCLUDING INDEXES INCLUDING COMMENTS)', name, parent);
                    EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s '
                        'FOR VALUES FROM (%L) TO (%L)', parent, name, month, next_month);
                    created := created + 1;
                END;
            END LOOP;
            RETURN created;
        END
        $$
    """)  # noqa: S608 - our own words
