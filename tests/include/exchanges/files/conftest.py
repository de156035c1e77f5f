"""A folder of small candle files and a source that reads it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from include.exchanges.files.client import FileSource
from include.exchanges.files.mapping import parse_mapping

Open: TypeAlias = Callable[..., FileSource]
NOW_MS = 1_900_000_000_000


@pytest.fixture
def open_source(tmp_path: Path) -> Iterator[Open]:
    """Return a function that maps ``tmp_path``, changed by keywords; None takes a key away."""
    opened: list[FileSource] = []

    def open_one(**changes: Any) -> FileSource:
        document = {
            "url": str(tmp_path),
            "format": "csv",
            "pattern": "{symbol}*.csv",
            "time": {"column": "t", "unit": "ms"},
            "columns": {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"},
            "assets": {"BTCUSDT": ["BTC", "USDT"]},
        } | changes
        chosen = {key: value for key, value in document.items() if value is not None}
        opened.append(
            FileSource("files:test", parse_mapping(json.dumps(chosen)), now_ms=lambda: NOW_MS)
        )
        return opened[-1]

    yield open_one
    for source in opened:
        source.close()
