"""Independent work in two sessions: while one waits or computes, the other writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from queue import SimpleQueue
from typing import Final, TypeAlias, TypeVar

from psycopg.conninfo import make_conninfo

from include.market.errors import SourceUnavailableError
from include.warehouse.engine import Connection, connect

LANES: Final = 2
"""Sessions at work; what each holds in memory at the moment is all there ever is of it."""
Result = TypeVar("Result")
Work: TypeAlias = Callable[[Connection], Result]


def work_in_lanes(connection: Connection, pieces: Sequence[Work[Result]]) -> Iterator[Result]:
    """Yield what each of ``pieces`` returns, in order; each commits what it does by itself.

    Opens a second session like ``connection`` when there is more than one piece and the server has
    room for it. Pieces run in no particular order. When one raises, those not yet begun never are,
    and those begun are waited for.
    """
    with ExitStack() as stack:
        lanes: SimpleQueue[Connection] = SimpleQueue()
        lanes.put(connection)
        workers = 1
        while workers < min(LANES, len(pieces)):
            try:
                lanes.put(stack.enter_context(_dial_again(connection)))
            except SourceUnavailableError:
                break
            workers += 1

        def run(piece: Work[Result]) -> Result:
            lane = lanes.get()
            try:
                return piece(lane)
            finally:
                lanes.put(lane)

        pool = stack.enter_context(ThreadPoolExecutor(workers, thread_name_prefix="lane"))
        running = [pool.submit(run, piece) for piece in pieces]
        try:
            for one in running:
                yield one.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _dial_again(connection: Connection) -> Connection:
    info = connection.info
    address = make_conninfo(info.dsn, password=info.password)
    application = info.get_parameters().get("application_name", "candlewick")
    return connect(address, application=application, autocommit=True)
