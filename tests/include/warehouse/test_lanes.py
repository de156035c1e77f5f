"""Independent work is done in two sessions, and ends as if done in one."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from include.market.errors import SourceUnavailableError
from include.warehouse import lanes
from include.warehouse.engine import Connection
from include.warehouse.lanes import work_in_lanes


def backend(lane: Connection) -> int:
    with lane.transaction():
        return lane.info.backend_pid


def test_two_pieces_meet_in_two_sessions_of_one_login(connection: Connection) -> None:
    meeting = threading.Barrier(2, timeout=300)

    def work(lane: Connection) -> tuple[int, str]:
        meeting.wait()
        with lane.transaction():
            row = lane.execute(
                "SELECT current_user || current_setting('search_path') "
                "|| current_setting('lock_timeout') || current_setting('application_name')"
            ).fetchone()
        return lane.info.backend_pid, row[0] if row else ""

    (one, own), (two, other) = work_in_lanes(connection, [work, work])
    assert one != two
    assert own == other


def test_results_come_in_order_and_the_second_session_is_closed(connection: Connection) -> None:
    def work(number: int, lane: Connection) -> tuple[int, Connection]:
        backend(lane)
        return number, lane

    found = list(work_in_lanes(connection, [partial(work, number) for number in range(20)]))
    assert [number for number, _ in found] == list(range(20))
    assert all(lane is connection or lane.closed for _, lane in found)
    assert not connection.closed


def test_one_piece_needs_no_second_session(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "connect", lambda *given, **named: pytest.fail("dialled"))
    assert list(work_in_lanes(connection, [backend])) == [connection.info.backend_pid]
    assert list(work_in_lanes(connection, [])) == []


def test_a_server_without_room_is_asked_in_one_session(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: object, **named: object) -> Connection:
        raise SourceUnavailableError("too many clients already")

    monkeypatch.setattr(lanes, "connect", full)
    assert list(work_in_lanes(connection, [backend] * 3)) == [connection.info.backend_pid] * 3


def test_a_piece_that_fails_ends_the_work(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []
    go_on = threading.Event()

    class Pool(ThreadPoolExecutor):
        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            go_on.set()
            super().shutdown(wait=wait)

    monkeypatch.setattr(lanes, "ThreadPoolExecutor", Pool)

    def work(number: int, lane: Connection) -> int:
        begun.append(number)
        if number == 0:
            raise LookupError("first")
        assert go_on.wait(300)
        return number

    pieces = [partial(work, number) for number in range(50)]
    with pytest.raises(LookupError, match="first"):
        list(work_in_lanes(connection, pieces))
    # What failed, and what each of the two lanes had taken up by then.
    assert len(begun) <= 3
