"""A fit is stored whole, replaces the one before, and leaves it as history."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from include.market.errors import ContractError
from include.market.timeframe import M5, M30
from include.warehouse.engine import Connection
from include.warehouse.model_values import (
    StoredChannel,
    StoredFit,
    StoredLine,
    StoredSegment,
)
from include.warehouse.models import (
    latest_fit,
    store_fit,
)
from tests.support.warehouse import moment, query, seed_reference

PUBLISHED = StoredChannel(
    published=True,
    baseline_loss=0.002,
    model_loss=0.001,
    lines=(
        StoredLine(0.05, 4.5, -0.01, 0.0001, 0.0002),
        StoredLine(0.5, 4.6, -0.01),
        StoredLine(0.95, 4.7, -0.01, 0.0001, None),
    ),
    scores={"coverage": 0.9, "lines_stopped_early": 0.0},
)
DECLINED = StoredChannel(published=False, declined_reason="worse than a random walk")


def segment(first: int, last: int, channel: StoredChannel | None = None) -> StoredSegment:
    return StoredSegment(moment(first), moment(last), 0.001, 4.6, last - first, 0.0, channel)


FIT = StoredFit(
    instrument_id=1,
    timeframe=M5,
    data_xid=2**40,
    code_version="channels-1",
    parameters={"min_candles": 12, "taus": [0.05, 0.5], "coverage": None},
    segments=(segment(0, 60, DECLINED), segment(60, 90), segment(95, 200, PUBLISHED)),
)


def test_a_fit_is_read_back_as_it_was_stored(connection: Connection) -> None:
    seed_reference(connection)
    fit_run_id = store_fit(connection, FIT)
    found = latest_fit(connection, 1, M5)
    assert found is not None
    assert found.recorded_at is not None
    assert found == replace(FIT, fit_run_id=fit_run_id, recorded_at=found.recorded_at)


def test_there_may_be_no_fit(connection: Connection) -> None:
    ids = seed_reference(connection)
    store_fit(connection, FIT)
    assert latest_fit(connection, 1, M30) is None
    assert latest_fit(connection, ids["ETHUSDT"], M5) is None


def test_a_fit_without_segments_is_a_fit(connection: Connection) -> None:
    seed_reference(connection)
    store_fit(connection, replace(FIT, segments=()))
    found = latest_fit(connection, 1, M5)
    assert found is not None
    assert found.segments == ()


def test_a_new_fit_replaces_the_current_one_and_the_old_one_stays(connection: Connection) -> None:
    seed_reference(connection)
    first = store_fit(connection, FIT)
    second = store_fit(connection, replace(FIT, code_version="channels-2"))
    other = store_fit(connection, replace(FIT, timeframe=M30))
    assert query(
        connection, "SELECT fit_run_id, is_current FROM model.fit_run ORDER BY fit_run_id"
    ) == [(first, False), (second, True), (other, True)]
    assert query(connection, "SELECT count(*) FROM model.segment") == [(9,)]
    found = latest_fit(connection, 1, M5)
    assert found is not None
    assert found.code_version == "channels-2"


def test_fits_stored_at_once_leave_one_current(
    connection: Connection, dial: Callable[[], Connection]
) -> None:
    seed_reference(connection)
    sessions = [dial() for _ in range(4)]

    def work(number: int) -> int:
        with sessions[number].transaction():
            return store_fit(sessions[number], FIT)

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(work, range(4)))) == 4
    assert query(connection, "SELECT count(*) FROM model.fit_run WHERE is_current") == [(1,)]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"segments": (segment(0, 60), segment(59, 90))}, "segment_no_overlap"),
        ({"segments": (replace(segment(60, 60), candles=1),)}, "segment_runs_forward"),
        ({"segments": (replace(segment(0, 9), intercept=float("nan")),)}, "intercept"),
        ({"segments": (replace(segment(0, 9), slope_per_hour=float("inf")),)}, "slope"),
        ({"segments": (segment(0, 9, StoredChannel(published=False)),)}, "declined"),
        ({"segments": (segment(0, 9, replace(PUBLISHED, declined_reason="x")),)}, "declined"),
        ({"segments": (segment(0, 9, replace(PUBLISHED, model_loss=float("nan"))),)}, "model_loss"),
        ({"segments": (segment(0, 9, replace(PUBLISHED, scores={"a": float("nan")})),)}, "value"),
        ({"instrument_id": 99}, "instrument_id"),
    ],
)
def test_a_fit_that_makes_no_sense_is_refused(
    connection: Connection, change: dict[str, Any], named: str
) -> None:
    seed_reference(connection)
    store_fit(connection, FIT)
    connection.commit()
    with pytest.raises(ContractError, match=named):
        store_fit(connection, replace(FIT, **change))
    connection.rollback()
    assert latest_fit(connection, 1, M5) is not None
