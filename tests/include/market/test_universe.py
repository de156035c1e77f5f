import json

import pytest

from include.market.errors import InvalidInputError
from include.market.settings import Settings, parse_settings
from include.market.universe import parse_universe


def test_pairs_come_in_the_order_written() -> None:
    universe = parse_universe('{"binance_spot": ["ETHUSDT", "BTCUSDT"]}')
    assert list(universe) == [("binance_spot", "ETHUSDT"), ("binance_spot", "BTCUSDT")]


def test_a_venue_and_each_instrument_may_choose_their_ways_to_history() -> None:
    universe = parse_universe(
        json.dumps(
            {
                "binance_spot": ["BTCUSDT"],
                "binance_usdm": {
                    "symbols": ["BTCUSDT", {"symbol": "ETHUSDT", "history": "rest"}],
                    "history": ["archive"],
                },
                "files:lab": {"symbols": ["ADAUSDT"], "files": {"url": "file:///data"}},
                "ccxt:kraken": ["BTC/USD", "BTC/USD:USD"],
            }
        )
    )
    assert list(universe)[-2:] == [("ccxt:kraken", "BTC/USD"), ("ccxt:kraken", "BTC/USD:USD")]
    assert universe.history("binance_spot", "BTCUSDT") is None
    assert universe.history("binance_usdm", "BTCUSDT") == ("archive",)
    assert universe.history("binance_usdm", "ETHUSDT") == ("rest",)
    assert universe.options["files:lab"].files == {"url": "file:///data"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not JSON"),
        ("[]", 'like {"binance_spot"'),
        ("{}", 'like {"binance_spot"'),
        ('{"Binance Spot": ["BTCUSDT"]}', "'Binance Spot': a venue is named like"),
        ('{"binance_spot": "BTCUSDT"}', "expected a list of symbols, was 'BTCUSDT'"),
        ('{"binance_spot": []}', "expected a list of symbols"),
        ('{"binance_spot": ["btc usdt"]}', "'btc usdt' is not of the form"),
        ('{"binance_spot": ["A\\u0000B"]}', "is not of the form"),
        ('{"binance_spot": [7]}', "symbol 7"),
        ('{"binance_spot": ["A", "B", "A"]}', "repeated A"),
        ('{"binance_spot": {"symbols": ["A"], "historie": []}}', "unknown key historie"),
        ('{"binance_spot": {"history": ["rest"]}}', "expected a list of symbols, was None"),
        ('{"binance_spot": {"symbols": ["A"], "history": ["ftp"]}}', "was ['ftp']"),
        ('{"binance_spot": {"symbols": ["A"], "history": []}}', "list of archive and rest"),
        ('{"binance_spot": {"symbols": ["A"], "files": "x"}}', "files must be an object"),
        ('{"binance_spot": [{"symbol": "A", "history": "x"}]}', "'binance_spot', A: history"),
        ('{"binance_spot": [{"name": "A"}]}', "unknown key name"),
    ],
)
def test_a_malformed_universe_is_refused_on_one_line(text: str, says: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_universe(text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_override_by_name_and_keep_the_rest() -> None:
    assert parse_settings('{"batch_days": 3}') == Settings(batch_days=3)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"batch_dayz": 3}, "unknown key 'batch_dayz'"),
        ({"batch_days": "3"}, "expected int, was '3'"),
        ({"batch_days": True}, "expected int, was True"),
        ({"batch_days": 0}, "above zero, was 0"),
        ({"request_deadline_s": -1}, "above zero, was -1"),
        ([], "must be a JSON object"),
    ],
)
def test_malformed_settings_are_refused_with_key_and_value(document: object, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        parse_settings(json.dumps(document))
