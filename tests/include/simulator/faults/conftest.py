from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.fault_server import FaultServer, run_fault_server


@pytest.fixture(scope="package")
def shared_server() -> Iterator[FaultServer]:
    with run_fault_server() as server:
        yield server


@pytest.fixture
def server(shared_server: FaultServer) -> FaultServer:
    """The shared server, honest again and with an empty log."""
    shared_server.send("DELETE", "/sim/faults")
    shared_server.send("DELETE", "/sim/hits")
    return shared_server
