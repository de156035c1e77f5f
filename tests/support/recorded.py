"""Recorded answers of real venues; they are not part of the project, so tests skip without them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2].parent / "shared" / "data"


def recorded_file(name: str) -> Path:
    """Return a recording's path, or skip the test where there is none."""
    path = FOLDER / name
    if not path.is_file():
        pytest.skip(f"no recording {name}: recordings are not part of the project")
    return path


def recorded_json(name: str) -> Any:
    """Return the document in a recording, or skip the test where there is none."""
    return json.loads(gzip.decompress(recorded_file(name).read_bytes()))
