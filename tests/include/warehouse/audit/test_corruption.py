"""One wrong row anywhere is found, named, and comes with the way to repair it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from include.warehouse.audit.finding import Finding
from include.warehouse.engine import connect
from stack.postgres import EmbeddedPostgres
from tests.include.warehouse.audit.conftest import audit, damaged

ROW = "instrument_id = 1 AND open_time = "
MINUTE = datetime(2024, 1, 2, 3, 7, tzinfo=UTC)
END = datetime(2024, 1, 4, tzinfo=UTC)
REVISED = datetime(2024, 1, 1, 10, 1, tzinfo=UTC)
LENGTHS = {"candle_1m": 1, "candle_5m": 5, "candle_30m": 30, "candle_4h": 240}
BUCKETS = {table: MINUTE.replace(minute=0, hour=4) for table in LENGTHS}
MONTH = "market.{}_2024_01"
# What a value becomes; every column of every candle table gets its turn.
CHANGES = {
    "instrument_id": "3",
    "open_time": "open_time + interval '10 days'",
    "open": "open * (1 + 1e-15)",
    "high": "high * 1.01",
    "low": "low * 0.99",
    "close": "'NaN'",
    "volume": "volume + 1e-9",
    "quote_volume": "NULL",
    "taker_buy_volume": "-1",
    "taker_buy_quote_volume": "'Infinity'",
    "trade_count": "trade_count + 1",
    "children_present": "children_present - 1",
    "children_expected": "children_expected + 1",
    "source": "'stream'",
    "revision": "7",
    "load_id": "999999",
    "recorded_at": "recorded_at + interval '1 microsecond'",
}
# Found by other checks than the checksum too, so in a month that is not closed as well.
CAUGHT_AT_ONCE = {
    "close": "rules",
    "taker_buy_volume": "rules",
    "taker_buy_quote_volume": "rules",
    "children_present": "cascade",
    "children_expected": "cascade",
    "source": "lineage",
    "revision": "revisions",
    "load_id": "references",
    "recorded_at": "lineage",
}


def findings_of(server: EmbeddedPostgres, dsn: str, relation: str, statement: str) -> list[Finding]:
    with damaged(server, relation, statement):
        return audit(dsn).findings


@pytest.mark.parametrize("table", list(LENGTHS))
def test_a_wrong_value_in_any_column_of_a_candle_is_found_and_named(
    postgres_server: EmbeddedPostgres, audited: str, table: str
) -> None:
    relation = MONTH.format(table)
    length = timedelta(minutes=LENGTHS[table])
    changes = {
        name: value
        for name, value in CHANGES.items()
        if table != "candle_1m" or not name.startswith("children")
    }
    # Each in an hour of its own: the last ones of three days, of 4h there are no more.
    step = max(length, timedelta(hours=1))
    places = {name: END - (turn + 1) * step for turn, name in enumerate(changes)}
    statement = "; ".join(
        f"UPDATE {relation} SET {name} = {value} WHERE {ROW} '{places[name]}'"
        for name, value in changes.items()
    )
    found = [
        finding
        for finding in findings_of(postgres_server, audited, relation, statement)
        if finding.relation == f"market.{table}"
        and finding.instrument_id in (1, 3)
        and finding.span_start is not None
    ]
    named = {
        name: {
            finding.check
            for finding in found
            if finding.span_start is not None
            and finding.span_start <= at < (finding.span_end or at + length)
        }
        for name, at in places.items()
    }
    assert len(changes) >= 15
    assert [name for name, checks in named.items() if "checksum" not in checks] == []
    for name, check in CAUGHT_AT_ONCE.items():
        assert name not in named or check in named[name], (name, named[name])
    assert all(len(finding.repair) > 40 for finding in found)


@pytest.mark.parametrize("table", list(BUCKETS))
def test_a_lost_candle_is_found(
    postgres_server: EmbeddedPostgres, audited: str, table: str
) -> None:
    relation = MONTH.format(table)
    statement = f"DELETE FROM {relation} WHERE {ROW} '{BUCKETS[table]}'"
    found = findings_of(postgres_server, audited, relation, statement)
    checks = {finding.check for finding in found if finding.relation == f"market.{table}"}
    assert {"coverage" if table == "candle_1m" else "cascade", "receipts", "checksum"} <= checks


def test_a_doubled_candle_is_found(postgres_server: EmbeddedPostgres, audited: str) -> None:
    relation = MONTH.format("candle_1m")
    statement = f"INSERT INTO {relation} SELECT * FROM {relation} WHERE {ROW} '{MINUTE}'"
    found = findings_of(postgres_server, audited, relation, statement)
    assert ("coverage", MINUTE) in {(finding.check, finding.span_start) for finding in found}


@pytest.mark.parametrize(
    ("check", "relation", "statement"),
    [
        (
            "revisions",
            "market.candle_revision",
            f"DELETE FROM market.candle_revision WHERE {ROW} '{REVISED}' AND revision = 1 "
            "AND timeframe = '1m'",
        ),
        (
            "revisions",
            "market.candle_revision",
            "UPDATE market.candle_revision SET recorded_during = tstzrange("
            "lower(recorded_during) + interval '1 microsecond', upper(recorded_during)) "
            f"WHERE {ROW} '{REVISED}' AND revision = 2 AND timeframe = '1m'",
        ),
        (
            "references",
            "market.candle_revision",
            "UPDATE market.candle_revision SET load_id = 999999 "
            f"WHERE {ROW} '{REVISED}' AND revision = 1 AND timeframe = '1m'",
        ),
        (
            "checksum",
            "market.candle_revision",
            "UPDATE market.candle_revision SET close = 'NaN' "
            f"WHERE {ROW} '{REVISED}' AND revision = 1 AND timeframe = '1m'",
        ),
        (
            "coverage",
            "ledger.coverage",
            "UPDATE ledger.coverage SET covered = covered - tstzmultirange(tstzrange("
            f"'{MINUTE}', '{MINUTE + timedelta(minutes=3)}')) "
            "WHERE instrument_id = 1 AND dataset = 'candle_1m'",
        ),
        (
            "coverage",
            "ledger.gap",
            "DELETE FROM ledger.gap WHERE instrument_id = 1 AND dataset = 'candle_1m'",
        ),
        (
            "coverage",
            "ledger.gap",
            "UPDATE ledger.gap SET span_end = span_end + interval '1 minute' "
            "WHERE instrument_id = 1 AND dataset = 'candle_1m'",
        ),
        (
            "receipts",
            "ledger.load",
            "UPDATE ledger.load SET rows_inserted = rows_inserted + 1, rows_in = rows_in + 1 "
            "WHERE load_id = 1",
        ),
        (
            "receipts",
            "ledger.load",
            "UPDATE ledger.load SET rows_quarantined = 1, rows_in = rows_in + 1 WHERE load_id = 1",
        ),
        ("receipts", "ledger.load", "UPDATE ledger.load SET rows_in = 5 WHERE load_id = 1"),
        (
            "receipts",
            "ledger.landing",
            "UPDATE ledger.landing SET payload_sha256 = repeat('0', 64) WHERE load_id = 1",
        ),
        ("references", "ledger.load", "DELETE FROM ledger.load WHERE load_id = 1"),
        ("lineage", "ledger.change", "DELETE FROM ledger.change WHERE load_id = 2"),
        ("references", "market.asset", "DELETE FROM market.asset WHERE code = 'USDT'"),
        ("rules", "market.instrument", "UPDATE market.instrument SET tick_size = 'NaN' "
         "WHERE instrument_id = 1"),
    ],
)  # fmt: skip
def test_a_wrong_row_of_the_ledger_and_of_reference_data_is_found(
    postgres_server: EmbeddedPostgres, audited: str, check: str, relation: str, statement: str
) -> None:
    found = findings_of(postgres_server, audited, relation, statement)
    assert check in {finding.check for finding in found}, found
    assert all(finding.repair for finding in found)


def test_a_row_outside_its_month_is_found(postgres_server: EmbeddedPostgres, audited: str) -> None:
    relation = MONTH.format("candle_5m")
    statement = (
        f"UPDATE {relation} SET open_time = open_time - interval '1 year' "
        f"WHERE {ROW} '{BUCKETS['candle_5m']}'"
    )
    found = findings_of(postgres_server, audited, relation, statement)
    places = [finding for finding in found if finding.check == "place"]
    assert [(finding.relation, finding.instrument_id) for finding in places] == [
        ("market.candle_5m", 1)
    ]
    assert "candle_5m_2024_01" in places[0].detail


def test_guards_that_are_off_are_found(postgres_server: EmbeddedPostgres, audited: str) -> None:
    with psycopg.connect(postgres_server.dsn("audited"), autocommit=True) as superuser:
        superuser.execute("ALTER TABLE market.candle_1m DISABLE TRIGGER ALL")
        superuser.execute("ALTER TABLE market.candle_revision DROP CONSTRAINT revision_counts")
        superuser.execute(
            "ALTER TABLE market.candle_revision ADD CONSTRAINT revision_counts "
            "CHECK (revision >= 1) NOT ENFORCED"
        )
        try:
            found = audit(audited).findings
        finally:
            superuser.execute("ALTER TABLE market.candle_1m ENABLE TRIGGER ALL")
            superuser.execute("ALTER TABLE market.candle_revision DROP CONSTRAINT revision_counts")
            superuser.execute(
                "ALTER TABLE market.candle_revision ADD CONSTRAINT revision_counts "
                "CHECK (revision >= 1)"
            )
    assert {finding.check for finding in found} == {"schema"}
    assert "revision_counts of market.candle_revision is not enforced" in found[0].detail
    assert "of market.candle_1m is off" in found[0].detail
    assert audit(audited).findings == []


def test_a_finding_is_noted_once_and_gone_when_it_is_repaired(
    postgres_server: EmbeddedPostgres, audited: str
) -> None:
    relation = MONTH.format("candle_4h")
    with damaged(
        postgres_server,
        relation,
        f"UPDATE {relation} SET high = high * 2 WHERE {ROW} '{BUCKETS['candle_4h']}'",
    ):
        first = audit(audited).findings
        second = audit(audited).findings
        assert [finding.finding_id for finding in first] == [
            finding.finding_id for finding in second
        ]
        with connect(audited, application="test", autocommit=True) as connection:
            connection.execute(
                "UPDATE ledger.finding SET accepted_at = now() WHERE finding_id = %s",
                (first[0].finding_id,),
            )
        assert len(audit(audited).findings) == len(first) - 1
    assert audit(audited).findings == []
