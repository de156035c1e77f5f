from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.fault_lab import SIMULATED, Lab, shorten_pages
from tests.support.river import River
from tests.support.simulator import run_simulator

Open = Callable[..., River]


@pytest.fixture(scope="module")
def simulated() -> Iterator[Lab]:
    with run_simulator(*SIMULATED) as url:
        yield Lab(url)


@pytest.fixture
def lab(simulated: Lab) -> Lab:
    """The module's simulator, honest again and with an empty log."""
    simulated.reset()
    return simulated


@pytest.fixture
def open_river(warehouse_dsn: str, lab: Lab, tmp_path: Path) -> Iterator[Open]:
    """Return a function that opens rivers on one warehouse, with short pages."""
    opened: list[River] = []

    def make(*symbols: str, **options: Any) -> River:
        river = River(warehouse_dsn, lab.url, tmp_path, symbols or ("BTCUSDT",), **options)
        opened.append(shorten_pages(river))
        return river

    yield make
    for river in opened:
        river.close()


@pytest.fixture
def river(open_river: Open) -> River:
    """A river of one instrument, by REST."""
    return open_river()
