"""The bundled exchange as a child process, on a clock that the test chooses."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.ports import free_port

ROOT = Path(__file__).parents[2]


@contextmanager
def run_simulator(*arguments: str) -> Iterator[str]:
    """Start ``python -m include.simulator`` and yield its base URL once it answers."""
    port = free_port()
    command = [sys.executable, "-m", "include.simulator", "--port", str(port), *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=300)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        assert process.poll() is None, "the simulator ended before it answered"
        try:
            with urllib.request.urlopen(f"{url}/api/v3/ping", timeout=60):  # noqa: S310
                return
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.05)
    raise AssertionError("the simulator did not answer in five minutes")
