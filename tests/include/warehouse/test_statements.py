"""The statements kept as files say what they do, and all of them are used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from include.warehouse.statements import statement

ROOM = Path(__file__).parents[3] / "include/warehouse"
FILES = sorted((ROOM / "sql").rglob("*.sql"))
NAMES = [f"{path.parent.name}/{path.stem}" for path in FILES]
# close_instruments and its like are named in a loop, pg_catalog ones by their stem.
SOURCES = "\n".join(
    path.read_text(encoding="utf-8")
    for path in (*ROOM.glob("*.py"), *(ROOM / "audit").glob("*.py"))
)


def test_there_are_statements_to_look_at() -> None:
    assert len(FILES) > 50


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_a_statement_begins_with_what_it_does_and_which_index_it_leans_on(path: Path) -> None:
    head = re.match(r"(-- .*\n)+", path.read_text(encoding="utf-8"))
    assert head, f"{path.name} does not begin with a comment"
    told = " ".join(head.group(0).replace("-- ", " ").split())
    assert re.search(r"leans on|reads the whole|table a batch is copied into", told, re.IGNORECASE)


@pytest.mark.parametrize("name", NAMES)
def test_a_statement_is_used(name: str) -> None:
    stem = name.rpartition("/")[2]
    assert f'"{name}"' in SOURCES or f'"{stem}"' in SOURCES


def test_an_unknown_statement_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        statement("market/nothing")
