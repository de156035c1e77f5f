"""The loader agrees with a dictionary whatever happens, and the machine that says so can fail.

``TORTURE=night`` tries many more histories, longer ones.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from psycopg.errors import CardinalityViolation

from include.market.errors import CandlewickError
from include.warehouse.engine import Connection, connect
from tests.support.loader_machine import LoaderMachine
from tests.support.wire_proxy import WireProxy

NIGHT = os.environ.get("TORTURE") == "night"
# A machine that decides must decide the same way every time.
IN_CI = bool(os.environ.get("CI")) and not NIGHT
HISTORIES, STEPS = (500, 40) if NIGHT else (15, 20)


@pytest.fixture
def machine(warehouse_dsn: str) -> Iterator[type[LoaderMachine]]:
    with connect(warehouse_dsn, application="machine") as connection:
        LoaderMachine.connection = connection
        LoaderMachine.ranks = known_ranks(connection)
        with WireProxy(warehouse_dsn) as LoaderMachine.proxy:
            yield LoaderMachine


def known_ranks(connection: Connection) -> dict[str, int]:
    if connection.execute("SELECT to_regclass('market.source') IS NULL").fetchone() == (True,):
        connection.commit()
        return {}
    found = connection.execute("SELECT name, rank FROM market.source").fetchall()
    connection.commit()
    return dict(found)


def run(machine: type[LoaderMachine], *, histories: int, shrink: bool = True) -> None:
    phases = [Phase.explicit, Phase.reuse, Phase.generate]
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=histories,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=not shrink or IN_CI,
            database=None,
            report_multiple_bugs=False,
            phases=[*phases, Phase.shrink] if shrink else phases,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_loader_agrees_with_a_dictionary(machine: type[LoaderMachine]) -> None:
    run(machine, histories=HISTORIES)


HISTORIES_ONCE_WRONG: dict[str, list[tuple[Any, ...]]] = {
    "a row twice is no word on its neighbour": [
        ("load", 1, 2, [(1, 1)], "rest"),
        ("land", 0, 2, [(1, 2)], "rest"),
        ("load", 0, 2, [(0, 1), (0, 1)], "rest"),
        ("load landed",),
    ],
    "a better source is not bound by the confirmation of a worse one": [
        ("load", 0, 1, [(0, 1)], "rest"),
        ("land", 0, 1, [(0, 2)], "archive"),
        ("load", 0, 1, [(0, 1)], "rest"),
        ("load landed",),
    ],
    "a better source need not be the first to outrank a worse one": [
        ("land", 0, 1, [(0, 2)], "rest"),
        ("load", 0, 1, [(0, 1)], "rest"),
        ("load", 0, 1, [(0, 1)], "archive"),
        ("load landed",),
        ("load", 0, 1, [(0, 2)], "rest"),
    ],
    "a confirmation by a worse source does not stand between two of a better one": [
        ("load", 0, 1, [(0, 1)], "archive"),
        ("land", 0, 1, [(0, 2)], "archive"),
        ("load", 0, 1, [(0, 1)], "rest"),
        ("load landed",),
    ],
    "a row equal to an outranked one is a repeat": [
        ("load", 0, 1, [(0, 1)], "archive"),
        ("load", 0, 1, [(0, 2), (0, 2)], "rest"),
    ],
}


@pytest.mark.parametrize("history", HISTORIES_ONCE_WRONG.values(), ids=HISTORIES_ONCE_WRONG.keys())
def test_histories_that_a_loader_gets_wrong_first(
    machine: type[LoaderMachine], history: list[tuple[Any, ...]]
) -> None:
    one, waiting = machine(), []
    for what, *file in history:
        if what == "load landed":
            one.load_known(waiting.pop(0))
        else:
            first, length, rows, source = file
            known = one.land_file("BTCUSDT", first, length, rows, source, None)
            waiting.append(known) if what == "land" else one.load_known(known)
        one.check()


def test_rows_that_waited_for_their_names_are_stored_once_and_wait_no_longer(
    machine: type[LoaderMachine],
) -> None:
    one = machine()
    for symbol in ("NEWUSDT", "XBTUSDT"):
        # Rows of every fate, of two sources, that nobody can place yet.
        for source, price in (("archive", 1), ("rest", 2), ("archive", 2)):
            rows = [(0, price), (1, price), (1, 1), (3, price)]
            one.load_known(one.land_file(symbol, 0, 3, rows, source, None))
    one.release()
    one.check()
    one.change_names("list", 1)
    one.change_names("rename", 1)
    for _ in range(2):
        one.release()
        one.check()
    waiting = [(parked.landed.symbol, place) for parked in one.model.parked
               for place, _ in parked.rows]  # fmt: skip
    assert set(waiting) == {("XBTUSDT", 0)}


# Where the loader sends the words on the left, the server reads those on the right.
PLANTED = {
    "an older observation wins": ("THEN 'superseded'", "THEN 'revised'"),
    "any source wins": ("THEN 'outranked'", "THEN 'revised'"),
    "of two rows with one key the first counts": ("sound.position DESC", "sound.position"),
    "a symbol means the same for ever": (
        '"valid_during" @> "arrived"."open_time"',
        '"valid_during" @> "arrived"."open_time" IS NOT NULL',
    ),
    "what is replaced is forgotten": ("WHERE NOT is_new", "WHERE false"),
}


@pytest.mark.parametrize(("old", "new"), PLANTED.values(), ids=PLANTED.keys())
def test_the_machine_finds_a_planted_bug(
    machine: type[LoaderMachine], warehouse_dsn: str, old: str, new: str
) -> None:
    with WireProxy(warehouse_dsn) as liar:
        liar.rewrite(old, new)
        machine.connection = connect(liar.dsn, application="machine")
        with (
            machine.connection,
            pytest.raises((AssertionError, CandlewickError, CardinalityViolation)),
        ):
            run(machine, histories=60, shrink=False)
        assert liar.rewritten, "the statement has other words by now: plant the bug anew"
