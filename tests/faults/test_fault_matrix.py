"""No row of the fault table, and no fault of the simulator, goes without a test in this folder."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from include.simulator.faults.table import AMENDMENT_ROWS, FAULTS

HERE = Path(__file__).parent
ROWS = range(1, 42)


def sources() -> list[str]:
    return [path.read_text(encoding="utf-8") for path in sorted(HERE.glob("test_*.py"))]


def rows_with_a_test() -> set[int]:
    names = [
        node.name
        for source in sources()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef)
    ]
    return {int(found[1]) for name in names if (found := re.match(r"test_r(\d\d)_", name))}


def test_every_row_of_the_table_has_a_test() -> None:
    assert rows_with_a_test() == set(ROWS)


def test_the_simulator_can_play_every_row_that_has_one() -> None:
    played = {int(fault.row[1:]) for fault in FAULTS.values()}
    played |= {int(row[1:]) for row in AMENDMENT_ROWS}
    assert played == set(ROWS)


def test_every_fault_of_the_simulator_is_used() -> None:
    text = "\n".join(sources())
    unused = [name for name in FAULTS if f'"{name}"' not in text]
    assert unused == []
