"""Which way landed work is loaded, and how it is split into tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from include.jobs import load_warehouse
from include.jobs.landed_work import plan_shards
from include.jobs.load_warehouse import load_landings
from include.jobs.storage import read_open_times, write_frame
from include.market.span import Span, to_ms
from include.market.timeframe import M1
from include.warehouse import bulk_plan
from include.warehouse.bulk_plan import month_of, plan_months
from include.warehouse.candles import read_candles
from include.warehouse.engine import Connection
from include.warehouse.landing import Landing, get_landing, mark_checked, pending_landings
from include.warehouse.loader import load_candles
from tests.include.warehouse.conftest import connection, dial
from tests.support.bulk import WEEK, land
from tests.support.warehouse import (
    NOTHING_REFUSED,
    candles,
    load_frame,
    minutes,
    moment,
    query,
    seed_reference,
    walk,
)

__all__ = ["connection", "dial"]


@pytest.fixture(autouse=True)
def _few_rows_are_a_month(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_plan, "FEWEST_ROWS", 1000)


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Landings that were loaded one by one."""
    alone: list[int] = []

    def noted(conn: Connection, landing: Landing, *rest: Any, **named: Any) -> Any:
        alone.append(landing.landing_id)
        return load_candles(conn, landing, *rest, **named)

    monkeypatch.setattr(load_warehouse, "load_candles", noted)
    return alone


def stored_landing(
    conn: Connection,
    folder: Path,
    frame: pd.DataFrame,
    span: Span,
    *,
    symbol: str = "BTCUSDT",
    landed: pd.DataFrame | None = None,
) -> int:
    name = f"{symbol}-{span.start_ms}-{span.end_ms}"
    paths = folder / f"{name}.parquet", folder / f"{name}.parquet.clean"
    write_frame(paths[0], frame if landed is None else landed)
    write_frame(paths[1], frame)
    return land(conn, span, symbol=symbol, rows=len(frame), path=str(paths[0])).landing_id


def load(conn: Connection, *landing_ids: int) -> dict[str, int]:
    return load_landings(conn, Path, landing_ids, run_id="load")


def test_landings_of_an_empty_month_are_loaded_together_and_others_alone(
    connection: Connection, tmp_path: Path, ways: list[int]
) -> None:
    ids = seed_reference(connection)
    weeks = [minutes(number * WEEK, (number + 1) * WEEK) for number in range(5)]
    landing_ids = [
        stored_landing(connection, tmp_path, walk(WEEK, start=week.start_time), week, symbol=symbol)
        for symbol in ids
        for week in weeks
    ]
    assert load(connection, *landing_ids) == {
        "inserted": 10 * WEEK,
        "updated": 0,
        "unchanged": 0,
        "quarantined": 0,
    }
    assert ways == [landing_ids[4], landing_ids[9]], "the fifth week reaches into February"
    for instrument_id in ids.values():
        for week in weeks:
            expected = walk(WEEK, start=week.start_time)
            stored = read_candles(connection, M1, instrument_id, week)
            pd.testing.assert_frame_equal(stored, expected)
    connection.commit()
    assert load(connection, *landing_ids) == {}, "nothing is checked any more"


def test_the_way_is_chosen_by_what_the_month_holds(
    connection: Connection, tmp_path: Path, ways: list[int]
) -> None:
    seed_reference(connection)
    first = stored_landing(connection, tmp_path, walk(WEEK), minutes(0, WEEK))
    second = stored_landing(
        connection, tmp_path, walk(WEEK, start=moment(WEEK)), minutes(WEEK, 2 * WEEK)
    )
    few = stored_landing(connection, tmp_path, candles([70 * 1440]), minutes(70 * 1440, 71 * 1440))
    assert load(connection, first)["inserted"] == WEEK
    assert ways == []
    assert load(connection, second, few)["inserted"] == WEEK + 1
    assert ways == [second, few]


def test_a_landing_that_needs_judging_is_loaded_alone_in_the_end(
    connection: Connection, tmp_path: Path, ways: list[int]
) -> None:
    seed_reference(connection)
    beyond = stored_landing(connection, tmp_path, walk(WEEK + 1), minutes(0, WEEK))
    good = stored_landing(connection, tmp_path, walk(WEEK), minutes(0, WEEK), symbol="ETHUSDT")
    assert load(connection, beyond, good) == {
        "inserted": 2 * WEEK,
        "updated": 0,
        "unchanged": 0,
        "quarantined": 1,
    }
    assert ways == [beyond]


def test_a_landing_without_rows_does_not_spoil_the_month(
    connection: Connection, tmp_path: Path, ways: list[int]
) -> None:
    seed_reference(connection)
    empty = stored_landing(connection, tmp_path, candles([]), minutes(0, 60))
    full = stored_landing(connection, tmp_path, walk(WEEK), minutes(0, WEEK), symbol="ETHUSDT")
    assert load(connection, empty) == {
        "inserted": 0,
        "updated": 0,
        "unchanged": 0,
        "quarantined": 0,
    }
    assert query(connection, "SELECT count(*) FROM ledger.gap") == [(1,)]
    assert query(connection, "SELECT count(*) FROM pg_inherits WHERE inhparent = "
                 "'market.candle_1m'::regclass") == [(0,)]  # fmt: skip
    assert load(connection, full)["inserted"] == WEEK
    assert ways == [empty]


@pytest.mark.parametrize("rows", [1, WEEK], ids=["alone", "with its month"])
def test_what_is_absent_has_its_reason_either_way(
    connection: Connection, tmp_path: Path, rows: int
) -> None:
    seed_reference(connection)
    span = minutes(0, rows + 20)
    landed = walk(rows + 20).drop(index=range(10))
    clean = landed.drop(index=range(15, 20))
    stored_landing(connection, tmp_path, clean, span, landed=landed)
    [landing] = pending_landings(connection, "checked")
    connection.commit()
    load(connection, landing.landing_id)
    gaps = "SELECT span_start, span_end, reason, proof FROM ledger.gap ORDER BY 1"
    look = {"at_ms": to_ms(landing.landed_at), "way": "rest", "neighbours": True}
    asked = {"asked": 2, "means": "unknown", "looks": [look]}
    assert query(connection, gaps) == [
        (moment(0), moment(10), "unknown", {"landing_id": landing.landing_id, **asked}),
        (moment(15), moment(20), "unknown", {"refused_in_landing": landing.landing_id}),
    ]


def test_only_the_open_times_of_a_landed_file_are_read(tmp_path: Path) -> None:
    write_frame(tmp_path / "a", walk(3), server_time_ms=7)
    found = read_open_times(tmp_path / "a")
    assert list(found.frame) == ["open_time"]
    assert found.server_time_ms == 7


def landing_of(
    connection: Connection, span: Span, symbol: str = "BTCUSDT", rows: int = 600
) -> Landing:
    return land(connection, span, symbol=symbol, rows=rows)


def test_months_are_planned_when_they_are_free_large_and_whole(connection: Connection) -> None:
    seed_reference(connection)
    load_frame(connection, candles([0]), minutes(0, 1), path="january")
    day = 1440
    spans = {
        "in use": minutes(day, 2 * day),
        "february": minutes(31 * day, 33 * day),
        "february too": minutes(33 * day, 60 * day),
        "across": minutes(59 * day, 61 * day),
        "few": minutes(100 * day, 101 * day),
    }
    landings = {
        name: landing_of(connection, span, rows=5000 if name == "in use" else 600)
        for name, span in spans.items()
    }
    other = landing_of(connection, minutes(31 * day, 32 * day), "ETHUSDT")
    groups = plan_months(connection, [*landings.values(), other])
    assert groups == [[landings["february"], landings["february too"], other]]
    assert month_of(landings["across"]) is None
    assert month_of(landings["february too"]) == moment(31 * day)


def test_a_month_that_is_empty_goes_into_one_task_and_the_rest_by_instrument(
    connection: Connection,
) -> None:
    symbols = [f"{letter}USDT" for letter in "ABCDEF"]
    seed_reference(connection, symbols)
    load_frame(connection, candles([0]), minutes(0, 1), path="january", symbol="AUSDT")
    day = 1440
    january = {
        symbol: [landing_of(connection, minutes(n * day, (n + 1) * day), symbol) for n in (1, 2)]
        for symbol in symbols
    }
    later = {
        month: [
            landing_of(connection, minutes(first * day, (first + 1) * day), symbol)
            for symbol in symbols
        ]
        for month, first in (("february", 40), ("march", 70))
    }
    shards = [set(shard) for shard in plan_shards(connection, state="checked")]
    connection.commit()
    together = [*january.values(), *later.values()]
    for group in together:
        ids = {landing.landing_id for landing in group}
        assert sum(bool(ids & shard) for shard in shards) == 1
    assert sum(map(len, shards)) == 24
    assert len(shards) == 4


def test_landings_to_be_checked_are_split_by_instrument_alone(connection: Connection) -> None:
    symbols = [f"{letter}USDT" for letter in "ABCDEF"]
    seed_reference(connection, symbols)
    for symbol in symbols:
        for number in (0, 1):
            landing_of(connection, minutes(number * 99, (number + 1) * 99), symbol)
    connection.execute(
        "UPDATE ledger.landing SET state = 'landed', checked_at = NULL, clean_path = NULL"
    )
    connection.commit()
    shards = plan_shards(connection, state="landed")
    owners = [{get_landing(connection, one).symbol for one in shard} for shard in shards]
    assert sorted(symbol for owner in owners for symbol in owner) == symbols
    assert [len(shard) for shard in shards] == [4, 4, 2, 2]


def test_few_landings_are_one_task(connection: Connection) -> None:
    seed_reference(connection)
    ids = [landing_of(connection, minutes(n, n + 1)).landing_id for n in range(3)]
    assert plan_shards(connection, state="checked") == [ids]
    assert plan_shards(connection, state="landed") == []


def test_held_landings_are_left_alone(connection: Connection, tmp_path: Path) -> None:
    seed_reference(connection)
    landing_id = stored_landing(connection, tmp_path, walk(WEEK), minutes(0, WEEK))
    connection.execute("UPDATE ledger.landing SET state = 'landed', checked_at = NULL")
    connection.commit()
    with connection.transaction():
        mark_checked(
            connection,
            landing_id,
            clean_path=None,
            rows=0,
            verdict={},
            held=True,
            quarantined=NOTHING_REFUSED,
        )
    assert load(connection, landing_id) == {}
