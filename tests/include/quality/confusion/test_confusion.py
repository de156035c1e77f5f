"""The confusion table: every planted defect is found under its own name, nothing else is."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.include.quality.confusion import (
    account_families,
    drift_families,
    event_families,
    gap_families,
    row_families,
)
from tests.include.quality.confusion.table import ConfusionTable, Observation

LEAST = 0.99
KINDS = 20


@pytest.fixture(scope="module")
def total() -> Iterator[ConfusionTable]:
    """Return the table all families add up to; it is shown when they are done."""
    yield (table := ConfusionTable())
    print(f"\n{table.render()}")


@pytest.mark.parametrize(
    "family",
    [row_families.generated, row_families.edges, row_families.units, row_families.revisions],
    ids=lambda family: family.__name__,
)
def test_planted_defects_of_rows_are_found(
    family: Callable[[row_families.OpenWorld], list[Observation]],
    open_world: row_families.OpenWorld,
    total: ConfusionTable,
) -> None:
    judge(family(open_world), total)


@pytest.mark.parametrize("symbol", ["FILUSDT", "NEARUSDT"])
def test_planted_defects_of_recorded_minutes_are_found(
    symbol: str, open_world: row_families.OpenWorld, total: ConfusionTable
) -> None:
    judge(row_families.recorded(open_world, symbol), total)


@pytest.mark.parametrize(
    "family",
    [gap_families.at_a_flat_venue, gap_families.at_a_quiet_venue],
    ids=lambda family: family.__name__,
)
def test_absences_are_explained_for_what_they_are(
    family: Callable[[row_families.OpenWorld], list[Observation]],
    open_world: row_families.OpenWorld,
    total: ConfusionTable,
) -> None:
    judge(family(open_world), total)


@pytest.mark.parametrize(
    "family",
    [
        gap_families.recorded_halt,
        event_families.trades,
        event_families.funding,
        account_families.reconciliation,
        account_families.units_of_days,
        drift_families.distributions,
    ],
    ids=lambda family: family.__name__,
)
def test_defects_of_recorded_events_and_accounts_are_found(
    family: Callable[[], list[Observation]], total: ConfusionTable
) -> None:
    judge(family(), total)


def judge(observations: list[Observation], total: ConfusionTable) -> None:
    table = ConfusionTable()
    table.add(observations)
    total.add(observations)
    shown = table.render()
    assert table.false_alarms() == 0, shown
    assert table.precision() >= LEAST, shown
    for kind in table.kinds:
        assert table.recall(kind) >= LEAST, shown


def test_the_table_as_a_whole(total: ConfusionTable) -> None:
    shown = total.render()
    assert len(total.kinds) >= KINDS, shown
    assert total.precision() >= LEAST, shown
    assert total.recall() >= LEAST, shown
