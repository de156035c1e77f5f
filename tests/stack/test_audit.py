"""``make audit`` against a running server: silent success, or findings with their repair."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from include.market.errors import InvalidInputError
from include.warehouse.engine import connect
from stack.audit import audit
from stack.cli import run
from stack.keys import WAREHOUSE_DATABASE, Keys
from stack.layout import Layout, StackRecord, save_record, write_private
from stack.postgres import EmbeddedPostgres
from tests.support.postgres import LOADER_PASSWORD, create_database, drop_database
from tests.support.warehouse import load_frame, minutes, seed_reference, walk


@pytest.fixture
def dsn(postgres_server: EmbeddedPostgres, migrated_template: str) -> Iterator[str]:
    """Return the owner's URL of a warehouse under the name every stack gives it."""
    yield create_database(postgres_server, WAREHOUSE_DATABASE, migrated_template)
    drop_database(postgres_server, WAREHOUSE_DATABASE)


@pytest.fixture
def layout(postgres_server: EmbeddedPostgres, tmp_path: Path) -> Layout:
    """Return a state folder that says our server is its stack's."""
    layout = Layout(tmp_path / "state")
    layout.make_folders()
    port = postgres_server.port - 1
    save_record(layout, StackRecord(source="simulator", port=port, days=3, instruments="", seed=7))
    keys = asdict(Keys(loader_password=LOADER_PASSWORD))
    write_private(layout.secrets / "keys.json", json.dumps(keys))
    return layout


def test_findings_are_printed_with_their_repair_and_change_the_exit_code(
    dsn: str, layout: Layout, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(dsn, application="test") as connection:
        seed_reference(connection)
        load_frame(connection, walk(60), minutes(0, 60))
    monkeypatch.setenv("STATE", str(layout.state))
    assert run(["audit"]) == 0
    assert "no findings" in capsys.readouterr().out

    with connect(dsn, application="test", autocommit=True) as connection:
        connection.execute("DELETE FROM market.candle_1m WHERE open_time = '2024-01-01 00:17Z'")
    assert run(["audit"]) == 1
    said = capsys.readouterr().out
    named = "market.candle_1m instrument 1 (binance_spot BTCUSDT) 2024-01-01 00:17:00Z"
    assert f"coverage: {named}: covered, but neither" in said
    assert "--dag-id backfill_history --from-date 2024-01-01 --to-date 2024-01-01" in said


def test_a_stack_that_never_ran_has_nothing_to_audit(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="run make up first"):
        audit(Layout(tmp_path / "never"))
