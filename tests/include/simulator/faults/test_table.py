from __future__ import annotations

import re

import pytest

from include.simulator.__main__ import main
from include.simulator.faults.byte_faults import BYTE_FAULTS
from include.simulator.faults.content import ROW_FAULTS
from include.simulator.faults.page_faults import PAGE_FAULTS
from include.simulator.faults.refusals import REFUSALS
from include.simulator.faults.shape_faults import SHAPE_FAULTS
from include.simulator.faults.table import AMENDMENT_ROWS, FAULTS
from include.simulator.faults.transport import DAMAGES
from include.simulator.faults.value_faults import VALUE_FAULTS

ROWS = {f"R{number}" for number in range(1, 42)}


def test_every_row_of_the_matrix_is_a_fault_or_an_amendment() -> None:
    covered = {fault.row for fault in FAULTS.values()}
    assert covered | set(AMENDMENT_ROWS) == ROWS
    assert covered & set(AMENDMENT_ROWS) == set()


def test_every_fault_has_one_deed_of_its_kind() -> None:
    deeds = {
        "instead": set(REFUSALS),
        "transport": set(DAMAGES),
        "bytes": set(BYTE_FAULTS),
        "rows": set(ROW_FAULTS),
    }
    for kind, names in deeds.items():
        assert names == {fault.name for fault in FAULTS.values() if fault.kind == kind}, kind
    assert len(ROW_FAULTS) == len(PAGE_FAULTS) + len(VALUE_FAULTS) + len(SHAPE_FAULTS)
    assert len(FAULTS) >= 60


def test_the_table_reads_well() -> None:
    for fault in FAULTS.values():
        assert re.fullmatch(r"[a-z0-9_]+", fault.name)
        assert fault.about
        assert "\n" not in fault.about


def test_the_command_line_lists_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list-faults"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(FAULTS) + len(AMENDMENT_ROWS)
    assert any(line.startswith("rate_limited ") and "retry_after_s=2" in line for line in lines)
