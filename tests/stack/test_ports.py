"""The ports that tests take: each is given once, whoever asks, in whatever process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from itertools import count

import pytest

from stack.settings import PROJECT_ROOT
from tests.support import ports

TURN = 777
ASK_ALIKE = (
    "from itertools import count; from tests.support import ports; "
    f"ports._turns = count({TURN}); print(ports.free_ports(3))"
)


def test_another_process_that_looks_in_the_same_place_gets_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ports, "_turns", count(TURN))
    ours = ports.free_ports(3)
    done = subprocess.run(
        [sys.executable, "-c", ASK_ALIKE],
        cwd=PROJECT_ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert set(range(ours, ours + 3)).isdisjoint(range(int(done.stdout), int(done.stdout) + 3))


def test_a_port_somebody_listens_on_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_turns", count(TURN + 100))
    with socket.create_server(("127.0.0.1", ports.free_port())) as taken:
        while ports._held:
            os.close(ports._held.popleft())
        monkeypatch.setattr(ports, "_turns", count(TURN + 100))
        assert ports.free_port() != taken.getsockname()[1]


def test_one_that_was_given_can_be_listened_on_at_once() -> None:
    base = ports.free_ports(3)
    for port in range(base, base + 3):
        socket.create_server(("127.0.0.1", port)).close()
