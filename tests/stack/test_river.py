from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from include.market.errors import SourceUnavailableError
from include.market.span import Span, to_ms
from stack import river
from stack.airflow_api import AirflowApi
from stack.layout import Layout, StackRecord
from stack.river_queries import FailedTask, Metadata

RECORD = StackRecord(source="simulator", port=18080, days=30, instruments="", seed=7)
NOW = datetime(2026, 3, 1, 0, 30, tzinfo=UTC)


def day(text: str) -> int:
    return to_ms(datetime.fromisoformat(text).replace(tzinfo=UTC))


def test_history_ends_with_yesterday() -> None:
    span = river.history_span(RECORD, NOW)
    assert span == Span(day("2026-01-30"), day("2026-03-01"))
    assert river.history_span(RECORD.with_changes(days=1), NOW).start_ms == day("2026-02-28")


def test_a_replay_is_loaded_whole() -> None:
    record = RECORD.with_changes(
        replay_from_ms=day("2023-08-01T10:00:00"), replay_to_ms=day("2023-10-31T23:59:00")
    )
    assert river.history_span(record, NOW) == Span(day("2023-08-01"), day("2023-11-01"))


class Airflow:
    """Stands for scheduler and API: a backfill may be in the way."""

    def __init__(self, *, created: bool, running: list[dict[str, Any]]) -> None:
        self.created, self.running = created, running
        self.asked: list[tuple[datetime, datetime]] = []
        self.closed = 0
        self.failed: FailedTask | None = None

    def create_backfill(self, dag_id: str, first: datetime, last: datetime) -> bool:
        self.asked.append((first, last))
        return self.created

    def open_backfills(self, dag_id: str) -> list[dict[str, Any]]:
        return self.running

    def close_finished_backfills(self) -> None:
        self.closed += 1

    def first_failure(self, dags: object, since: object) -> FailedTask | None:
        return self.failed


SPAN = Span(day("2026-02-01"), day("2026-03-01"))
SAME = {"from_date": "2026-02-01T00:00:00Z", "to_date": "2026-02-28T00:00:00Z"}
OTHER = {"from_date": "2026-01-01T00:00:00Z", "to_date": "2026-02-28T00:00:00Z"}


@pytest.mark.parametrize(
    ("created", "running", "begun"),
    [(True, [], True), (False, [OTHER], False), (False, [OTHER, SAME], True), (False, [], False)],
)
def test_a_backfill_is_created_or_found(created: bool, running: list[Any], begun: bool) -> None:
    airflow = Airflow(created=created, running=running)
    found = river.begin_backfill(cast("AirflowApi", airflow), cast("Metadata", airflow), SPAN)
    assert found is begun
    last_day = datetime(2026, 2, 28, tzinfo=UTC)
    assert airflow.asked == [(datetime(2026, 2, 1, tzinfo=UTC), last_day)]
    assert airflow.closed == 1


def test_a_failure_is_one_line_with_the_log(tmp_path: Path) -> None:
    airflow = Airflow(created=True, running=[])
    layout = Layout(tmp_path)
    river.raise_failure(cast("Metadata", airflow), layout, ("x",), NOW)
    airflow.failed = FailedTask("load_warehouse", "r1", "load", "dag_id=x/attempt=4.log")
    with pytest.raises(river.RiverFailedError) as caught:
        river.raise_failure(cast("Metadata", airflow), layout, ("x",), NOW)
    message = str(caught.value)
    assert "load_warehouse.load" in message
    assert str(tmp_path / "logs" / "tasks" / "dag_id=x" / "attempt=4.log") in message
    assert "\n" not in message


def test_a_short_outage_is_borne_and_a_long_one_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(river.time, "monotonic", lambda: clock[0])
    patience = river._Patience()

    def fail_after(seconds: float) -> None:
        clock[0] += seconds
        with patience.bearing():
            raise SourceUnavailableError("away")

    fail_after(60)
    with patience.bearing():
        pass
    fail_after(60)
    with pytest.raises(SourceUnavailableError, match="stopped answering"):
        fail_after(timedelta(hours=1).total_seconds())


class Switches:
    """Stands for the API: remembers who was paused, woken and triggered, in order."""

    def __init__(self, *, down: bool = False) -> None:
        self.told: list[tuple[str, str]] = []
        self.down = down

    def pause(self, dag_id: str) -> None:
        self.told.append(("pause", dag_id))

    def unpause(self, dag_id: str) -> None:
        if self.down:
            raise SourceUnavailableError("the stack is gone")
        self.told.append(("unpause", dag_id))

    def trigger(self, dag_id: str) -> None:
        self.told.append(("trigger", dag_id))


def test_models_nobody_waits_for_rest_until_the_history_is_in() -> None:
    api = Switches()
    with river._resting(cast("AirflowApi", api)):
        assert api.told == [("pause", f"fit_channels_{label}") for label in ("30m", "5m", "1m")]
        api.told.clear()
    # Parents before their children.
    assert [dag_id for verb, dag_id in api.told if verb == "trigger"] == [
        "fit_channels_30m",
        "fit_channels_5m",
        "fit_channels_1m",
    ]
    assert {dag_id for verb, dag_id in api.told if verb == "unpause"} == set(river.RESTING_DAGS)


@pytest.mark.parametrize("down", [True, False])
def test_what_went_wrong_is_told_and_the_models_are_woken_if_they_can_be(down: bool) -> None:
    api = Switches(down=down)
    with pytest.raises(ValueError, match="first"), river._resting(cast("AirflowApi", api)):
        raise ValueError("first")
    assert bool([verb for verb, _ in api.told if verb == "unpause"]) is not down
