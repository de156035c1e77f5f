"""A fresh warehouse with its months, seen as the jobs see it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from include.market.timeframe import TIMEFRAMES
from include.warehouse.engine import Connection, connect
from include.warehouse.partitions import ensure_partitions
from tests.support.cascade_world import FOUR_HOURS


@pytest.fixture
def connection(loader_dsn: str) -> Iterator[Connection]:
    """Return a connection of the login the jobs use, which may delete no candle by itself."""
    with connect(loader_dsn, application="test", autocommit=True) as opened:
        ensure_partitions(opened, TIMEFRAMES.values(), FOUR_HOURS)
        yield opened
