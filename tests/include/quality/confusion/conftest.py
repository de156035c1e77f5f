"""Each family of defects is planted once; its table is shared by the tests of this folder."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from include.market.timeframe import DAY_MS
from stack.postgres import EmbeddedPostgres
from tests.include.quality.confusion.world import World
from tests.support.postgres import create_database, drop_database

START_MS = 20_000 * DAY_MS

MakeWorld = Callable[..., object]


@pytest.fixture(scope="package")
def open_world(
    postgres_server: EmbeddedPostgres,
    migrated_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., object]:
    """Return what opens a world of its own: ``with open_world("AUSDT", …) as world``."""

    @contextmanager
    def make(*symbols: str, listed_ms: int = START_MS) -> Iterator[World]:
        name = f"confusion_{uuid.uuid4().hex[:12]}"
        dsn = create_database(postgres_server, name, migrated_template)
        folder: Path = tmp_path_factory.mktemp("confusion")
        world = World(dsn, folder, symbols, listed_ms)
        try:
            yield world
        finally:
            world.close()
            drop_database(postgres_server, name)

    return make
