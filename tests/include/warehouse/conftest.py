"""Connections to a fresh warehouse, made by our own door."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from include.warehouse.engine import Connection, connect


@pytest.fixture
def dial(warehouse_dsn: str) -> Iterator[Callable[[], Connection]]:
    """Return a function that opens one more connection; all are closed after the test."""
    opened: list[Connection] = []

    def open_one() -> Connection:
        opened.append(connect(warehouse_dsn, application="test"))
        return opened[-1]

    yield open_one
    for connection in opened:
        connection.close()


@pytest.fixture
def connection(dial: Callable[[], Connection]) -> Connection:
    """Return an open connection to a fresh, empty warehouse."""
    return dial()
