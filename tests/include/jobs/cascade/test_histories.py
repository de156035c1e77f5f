"""Whatever happens, in whatever order: incremental equals from scratch, to the bit."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

from include.jobs import cascade as job
from include.market.timeframe import CASCADE
from include.warehouse.audit.run import Patience, run_audit
from include.warehouse.engine import Connection
from tests.support.cascade_histories import (
    WAYS,
    Histories,
    check_histories,
    stored_candles,
    window,
)

COUNT = int(os.environ.get("CASCADE_HISTORIES", "1000"))
ROUNDS = int(os.environ.get("CASCADE_ROUNDS", "6"))
SEED = int(os.environ.get("CASCADE_SEED", "6"))
AT = datetime(2099, 1, 1, tzinfo=UTC)


def test_a_thousand_histories_come_to_what_a_roll_up_from_scratch_gives(
    connection: Connection,
) -> None:
    histories = Histories(connection, COUNT, SEED)
    histories.live(ROUNDS)
    assert check_histories(histories) > COUNT
    assert COUNT < 1000 or histories.used == set(WAYS)
    check_revisions(connection)
    check_stillness(connection)
    check_audit(connection)


def check_revisions(connection: Connection) -> None:
    """Hold what was withdrawn on the way against the ledger: each is kept, none is told twice."""
    kept = connection.execute(
        "SELECT r.timeframe, count(*) FROM market.candle_revision AS r "
        "WHERE r.withdrawn_by IS NOT NULL GROUP BY 1 ORDER BY 1"
    ).fetchall()
    counted = connection.execute(
        "SELECT t.label, sum(l.rows_withdrawn)::bigint FROM ledger.load AS l "
        "JOIN market.timeframe AS t USING (dataset) "
        "WHERE l.rows_withdrawn > 0 GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert kept == counted
    assert {label for label, _ in kept} == {"1m", "5m", "30m", "4h"}


def check_stillness(connection: Connection) -> None:
    """Do everything anew from the first change: not a row is written."""
    loads = (
        "SELECT coalesce(sum(rows_inserted + rows_updated + rows_withdrawn), 0) FROM ledger.load"
    )
    before = connection.execute(loads).fetchone()
    tables = [stored_candles(connection, target) for _, target in CASCADE]
    connection.execute("UPDATE ledger.cursor SET xid = '0', ahead = '{}', ahead_upto = '{}'")
    with patch.object(job, "CHANGES_AT_ONCE", 10**6):
        for source, target in CASCADE:
            written = job.cascade_changes(connection, source, target, run_id="anew")
            assert not any(written.values()), (target.label, written)
    assert connection.execute(loads).fetchone() == before
    assert repr([stored_candles(connection, target) for _, target in CASCADE]) == repr(tables)


def check_audit(connection: Connection) -> None:
    """The standing proof, the lineage and the chain of revisions find nothing either."""
    for _, target in CASCADE:
        query = "SELECT * FROM market.cascade_difference(%s, %s, %s)"
        assert connection.execute(query, (target.label, *window())).fetchall() == []
    patience = Patience(settled=timedelta(0), quiet=timedelta(0))
    found = run_audit(connection, at=AT, patience=patience).findings
    # Gaps are no part of these histories.
    assert [one.as_text() for one in found if one.check != "coverage"] == []
