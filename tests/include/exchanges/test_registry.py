"""Every venue of the registry can be opened, and what is no venue is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.exchanges import registry
from include.exchanges.governor import LocalGovernor
from include.exchanges.http import HttpClient, HttpSettings
from include.exchanges.registry import VENUES, require_known
from include.market.errors import InvalidInputError
from include.market.universe import VENUE, parse_universe


def test_there_are_venues() -> None:
    assert {"binance_spot", "binance_usdm"} <= VENUES.keys()


@pytest.mark.parametrize("name", VENUES)
def test_an_entry_names_itself_its_folder_and_its_limits(name: str) -> None:
    entry = VENUES[name]
    assert VENUE.fullmatch(name)
    assert entry.limits[0].scope == name
    client = HttpClient(
        "http://127.0.0.1:1", HttpSettings(attempts=1), governor=LocalGovernor(*entry.limits)
    )
    source = entry.build(client, None)
    assert source.venue.name == name
    assert source.traits.page_limit >= 2
    client.close()
    folder = Path(registry.__file__).parent / name
    assert {"client.py", "parse.py"} <= {file.name for file in folder.iterdir()}


@pytest.mark.parametrize(
    "text",
    [
        '{"binance_spot": ["BTCUSDT"], "ccxt:kraken": ["BTC/USD"]}',
        '{"files:lab": {"symbols": ["A"], "files": {"url": "x"}}}',
    ],
)
def test_known_venues_pass(text: str) -> None:
    universe = parse_universe(text)
    assert require_known(universe) is universe


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"binanse": ["BTCUSDT"]}', "unknown venue 'binanse': choose one of binance_spot"),
        ('{"ccxt": ["BTC/USD"]}', "unknown venue 'ccxt'"),
        ('{"files:lab": ["A"]}', "needs its mapping"),
        ('{"binance_spot": {"symbols": ["A"], "files": {}}}', "no other venue has one"),
    ],
)
def test_other_venues_are_refused_with_the_choice(text: str, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        require_known(parse_universe(text))
