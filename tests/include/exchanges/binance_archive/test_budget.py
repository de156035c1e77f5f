"""Files of the archive count in the budget of its Connection, like every other request."""

from __future__ import annotations

from contextlib import closing

import pytest

from include.exchanges.binance_archive.client import BinanceArchive
from include.exchanges.binance_archive.layout import parse_path
from include.exchanges.governor import LocalGovernor
from include.exchanges.http import HttpClient, HttpSettings
from include.market.errors import RateLimitedError
from include.market.rate_limit import RateLimit
from tests.support.http_server import answer, serve

FILE = parse_path("/data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2025-01-31.zip")
ABSENT = answer(b"", "404 Not Found")


def test_a_file_asked_for_beyond_the_limit_waits_like_any_request() -> None:
    limit = RateLimit("archive", weight=2, window_s=10**9, share=1.0)
    with serve(ABSENT) as script:
        governor = LocalGovernor(limit, longest_wait_s=1.0)
        with closing(HttpClient(script.base_url, HttpSettings(), governor=governor)) as client:
            archive = BinanceArchive(client, market="spot")
            assert archive.read_candles(FILE) is None
            assert archive.read_candles(FILE) is None
            with pytest.raises(RateLimitedError):
                archive.read_candles(FILE)
        assert len(script.requests) == 2
