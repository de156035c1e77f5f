import itertools
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from airflow.timetables.base import TimeRestriction
from hypothesis import given
from hypothesis import strategies as st

from include.airflow_bridge.timetable import HistoryTimetable, run_span, split_at_month_ends
from include.market.errors import InvalidInputError

DAY = timedelta(days=1)
days = st.dates(min_value=datetime(2017, 1, 1).date(), max_value=datetime(2026, 1, 1).date()).map(  # noqa: DTZ001
    lambda day: datetime(day.year, day.month, day.day, tzinfo=UTC)
)


def runs(
    first: datetime, last: datetime, *, catchup: bool = True
) -> list[tuple[datetime, datetime]]:
    return [(start, end) for start, end, _ in run_infos(first, last, catchup=catchup)]


def run_infos(
    first: datetime, last: datetime, *, catchup: bool = True
) -> list[tuple[datetime, datetime, datetime]]:
    """Walk the timetable the way Airflow's backfill does."""
    import pendulum

    restriction = TimeRestriction(
        pendulum.instance(first), pendulum.instance(last), catchup=catchup
    )
    found = []
    info = None
    while info := HistoryTimetable().next_dagrun_info_v2(
        last_dagrun_info=info, restriction=restriction
    ):
        found.append((info.data_interval.start, info.data_interval.end, info.run_after))
    return found


@given(days, st.integers(min_value=0, max_value=800))
def test_months_cover_the_range_exactly_and_in_order(first: datetime, length: int) -> None:
    spans = split_at_month_ends(first, first + length * DAY)
    assert spans[0][0] == first
    assert spans[-1][1] == first + (length + 1) * DAY
    assert all(left[1] == right[0] for left, right in itertools.pairwise(spans))
    assert all(
        (start.year, start.month) == ((end - DAY).year, (end - DAY).month) for start, end in spans
    )


def test_a_week_inside_a_month_is_one_run_and_a_year_is_twelve() -> None:
    week = runs(datetime(2025, 10, 5, tzinfo=UTC), datetime(2025, 10, 11, tzinfo=UTC))
    assert [end for _, end in week] == [datetime(2025, 10, 12, tzinfo=UTC)]
    year = runs(datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 12, 31, tzinfo=UTC))
    assert len(year) == 12


def test_ranges_that_begin_alike_are_different_runs_and_equal_ranges_the_same() -> None:
    first = datetime(2025, 10, 5, tzinfo=UTC)
    seven, three = runs(first, first + 6 * DAY), runs(first, first + 2 * DAY)
    assert seven[0][0] != three[0][0]
    assert runs(first, first + 6 * DAY) == seven


@given(days, st.integers(min_value=0, max_value=30), st.integers(min_value=0, max_value=30))
def test_airflow_gives_two_ranges_one_run_id_only_when_they_are_equal(
    first: datetime, left: int, right: int
) -> None:
    from airflow.models import DagRun
    from airflow.utils.types import DagRunType

    def run_ids(start: datetime, end: datetime) -> list[str]:
        return [
            DagRun.generate_run_id(
                run_type=DagRunType.BACKFILL_JOB, logical_date=info[0], run_after=info[2]
            )
            for info in run_infos(start, end)
        ]

    last = first + 30 * DAY
    same_end = {run_ids(first + left * DAY, last)[-1], run_ids(first + right * DAY, last)[-1]}
    starts = {run_infos(first + shift * DAY, last)[-1][0] for shift in (left, right)}
    assert len(same_end) == len(starts)


def test_days_that_are_not_over_are_left_out() -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    found = runs(today - 2 * DAY, today + 40 * DAY)
    assert found[-1][1] == today


def test_nothing_is_scheduled_by_itself() -> None:
    assert (
        runs(datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 2, 1, tzinfo=UTC), catchup=False)
        == []
    )


def test_a_backfills_run_loads_the_days_of_its_interval() -> None:
    ((start, end),) = runs(datetime(2025, 10, 5, tzinfo=UTC), datetime(2025, 10, 6, tzinfo=UTC))
    span = run_span(SimpleNamespace(data_interval_start=start, data_interval_end=end), {})
    assert str(span) == "[2025-10-05 00:00, 2025-10-07 00:00)"


def by_hand(first: str | None, last: str | None) -> str:
    now = datetime(2026, 1, 1, 12, 34, tzinfo=UTC)
    run = SimpleNamespace(data_interval_start=now, data_interval_end=now)
    return str(run_span(run, {"from_date": first, "to_date": last}))


def test_a_run_by_hand_loads_the_days_of_its_params() -> None:
    assert by_hand("2025-10-05", "2025-10-05") == "[2025-10-05 00:00, 2025-10-06 00:00)"


@pytest.mark.parametrize(
    ("first", "last", "says"),
    [
        (None, None, "without from_date and to_date"),
        ("2025-10-05", None, "to_date must be a date like 2026-10-01, was None"),
        ("05.10.2025", "2025-10-06", "from_date must be a date like 2026-10-01, was '05.10.2025'"),
        ("2025-10-07", "2025-10-05", "runs backwards"),
    ],
)
def test_dates_that_make_no_sense_are_named(first: str | None, last: str | None, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        by_hand(first, last)
