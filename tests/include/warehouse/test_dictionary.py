"""The page is made from what the database says of itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.market.errors import InvalidInputError
from include.warehouse.dictionary import main, render_dictionary
from include.warehouse.engine import Connection
from tests.support.warehouse import candles, load_frame, minutes, seed_reference


def test_tables_columns_rules_views_functions_and_types_are_on_the_page(
    connection: Connection,
) -> None:
    page = render_dictionary(connection)
    for line in (
        "## Schema `ledger`",
        "### Partitioned table `market.candle_1m`",
        "### View `market.incomplete_candle`",
        "### Type `market.textrange`",
        "### Table `ledger.schema_version`",
        "| `open_time` | timestamp with time zone | no |",
        "| `closed_at` | timestamp with time zone | yes |",
        "- `candle_1m_pkey`: `PRIMARY KEY (instrument_id, open_time)`",
        "- `ledger.gap_open`: `CREATE INDEX gap_open",
    ):
        assert line in page, line
    assert "### Function `market.ensure_partitions(" in page


def test_partitions_are_not_on_the_page(connection: Connection) -> None:
    before = render_dictionary(connection)
    connection.commit()
    seed_reference(connection)
    load_frame(connection, candles([0]), minutes(0, 1))
    assert render_dictionary(connection) == before


def test_a_bar_in_a_comment_does_not_break_the_table(connection: Connection) -> None:
    connection.execute("COMMENT ON COLUMN market.asset.code IS 'a | b'")
    assert r"| `code` | text | no | a \| b |" in render_dictionary(connection)


def test_the_command_writes_the_page(
    warehouse_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, connection: Connection
) -> None:
    monkeypatch.setenv("WAREHOUSE_URL", warehouse_dsn)
    main([str(tmp_path / "page.md")])
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == render_dictionary(connection)


def test_the_command_says_how_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WAREHOUSE_URL", raising=False)
    with pytest.raises(InvalidInputError, match="usage"):
        main(["page.md"])
