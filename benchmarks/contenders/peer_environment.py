"""Virtual environments of the peers: what they need is no requirement of ours."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def make_environment(folder: Path, pins: Sequence[str]) -> Path | None:
    """Make a virtual environment with ``pins``; None where they cannot be installed."""
    python = folder / "bin" / "python"
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", str(folder)], check=True)
    done = subprocess.run(
        [*uv, "pip", "install", "-q", "--python", str(python), *pins], check=False
    )
    return python if done.returncode == 0 else None
