"""Weeks and months go through the same stages, across the ends of months and a leap day."""

from __future__ import annotations

import pandas as pd
import psycopg
import pytest

from include.cascade.rollup import roll_up
from include.jobs.cascade import cascade_changes
from include.market.candle import PARTIAL
from include.market.timeframe import D1, M1, MO1, W1, Timeframe
from include.warehouse.candles import read_candles
from include.warehouse.engine import Connection
from include.warehouse.gaps import Gap
from tests.support.cascade_world import NOTHING, differences, load, rows
from tests.support.warehouse import candles, minutes

DAY = 1440
SPAN = minutes(0, 70 * DAY)
ARROWS = ((M1, D1), (D1, W1), (D1, MO1))


@pytest.fixture
def calendar(connection: Connection, warehouse: psycopg.Connection) -> Connection:
    """Return a warehouse with a few minutes a day, from 2024-01-01, a Monday, to 2024-03-11."""
    for source, target in ARROWS:
        warehouse.execute(
            "SELECT market.ensure_timeframe(%s, %s, %s)",
            (target.label, target.interval, source.label),
        )
    places = [day * DAY + minute for day in range(70) if day != 40 for minute in (3, 700, 1439)]
    frame = candles(places, price=[100.0 + place % 97 for place in places])
    load(connection, frame, SPAN, gaps=[Gap(SPAN, "no_trade")])
    return connection


def stage(connection: Connection, source: Timeframe, target: Timeframe) -> dict[str, int]:
    return cascade_changes(connection, source, target, run_id="stage")


def test_weeks_and_months_are_built_from_their_days(calendar: Connection) -> None:
    written = {target.label: stage(calendar, source, target) for source, target in ARROWS}
    assert written == {
        "1d": NOTHING | {"inserted": 69},
        "1w": NOTHING | {"inserted": 10},
        "1M": NOTHING | {"inserted": 2},
    }
    for source, target in ARROWS:
        finer = read_candles(calendar, source, 1, SPAN)
        wanted = roll_up(finer, source, target).iloc[: written[target.label]["inserted"]]
        stored = read_candles(calendar, target, 1, SPAN)
        names = list(stored.columns)
        pd.testing.assert_frame_equal(stored, wanted[names], check_exact=True)
        assert stage(calendar, source, target) == NOTHING
    months = "SELECT children_present, children_expected, flags FROM market.candle_1mo ORDER BY 1"
    # February of a leap year; the ninth of it had no trades. Every day lacks minutes.
    assert rows(calendar, months) == [(28, 29, PARTIAL), (31, 31, PARTIAL)]


@pytest.mark.parametrize("target", [W1, MO1], ids=lambda timeframe: timeframe.label)
def test_the_standing_proof_knows_weeks_and_months(calendar: Connection, target: Timeframe) -> None:
    for arrow in ARROWS:
        stage(calendar, *arrow)
    assert differences(calendar, target.label, SPAN) == []
    with calendar.transaction(force_rollback=True):
        calendar.execute(f"UPDATE market.{target.dataset} SET volume = volume + 1")
        found = differences(calendar, target.label, SPAN)
        assert len(found) == {"1w": 10, "1M": 2}[target.label]
        # Only what opens in the span asked for: none in these three days, one in February.
        assert differences(calendar, target.label, minutes(2 * DAY, 5 * DAY)) == []
        february = minutes(31 * DAY, 60 * DAY)
        assert len(differences(calendar, target.label, february)) == (4 if target == W1 else 1)


def test_a_forming_week_begins_on_monday_and_a_month_on_the_first(calendar: Connection) -> None:
    at = SPAN.end_time
    for label, opens in (("1w", "2024-03-04"), ("1M", "2024-03-01")):
        query = (
            "SELECT open_time::date::text, children_present "
            "FROM market.forming_candle(%s, %s::timestamptz - interval '1 second')"
        )
        days = 7 if label == "1w" else 10
        # The minute that has not closed by then is left out.
        assert rows(calendar, query, label, at) == [(opens, days * 3 - 1)]
